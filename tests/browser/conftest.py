import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.app_server import running_app
from tests.backend.slm.random_models import write_random_model
from tests.llm_server import llm_server


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def llm():
    with llm_server() as server:
        yield server


@pytest.fixture(scope="session")
def address(tmp_path_factory, data_folder, llm):
    root = tmp_path_factory.mktemp("models")
    write_random_model(root / "slow", "qwen3-slow")
    write_random_model(root / "quick", "qwen3-tied", languages=("hindi", "marathi", "bangla"))
    environment = {"CACHE": root / "cache", "DATA": data_folder, "ENDPOINTS": f"{llm.base_url} grader"}
    with running_app("--models", str(root), "--no-bundled", **{f"TINYSTORIES_{k}": str(v) for k, v in environment.items()}) as address:
        yield address


@pytest.fixture(scope="session")
def chromium():
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("no Chromium here; `make browser` installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    with webdriver.Chrome(options=options, service=Service(driver)) as browser:
        yield browser
