"""The page as a visitor handles it."""

import json

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

# What an element says that the page is just replacing or laying out anew.
_REPLACED = (
    NoSuchElementException, StaleElementReferenceException, ElementNotInteractableException, ElementClickInterceptedException,
)  # fmt: skip


class Page:
    """The app in a browser window of a given width, in pixels."""

    def __init__(self, browser: Chrome, address: str, width: int = 1280):
        self.browser, self.address = browser, address
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.load()

    def load(self) -> None:
        """Open the page anew."""
        self.browser.get(self.address)
        self.wait(lambda: self.one("#write").is_displayed())

    def wait(self, condition, seconds: float = 60):
        """Until a condition comes true; an element that is replaced meanwhile is asked for again."""
        return WebDriverWait(self.browser, seconds, 0.02, _REPLACED).until(lambda _: condition())

    def one(self, selector: str):
        """The first element that a CSS selector finds."""
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list:
        """All elements that a CSS selector finds."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str, text: str = "") -> None:
        """Click the first element that a CSS selector finds and that shows a text, once it can be clicked."""

        def clicked() -> bool:
            for element in self.all(selector):
                if element.is_displayed() and text in element.text:
                    element.click()
                    return True
            return False

        self.wait(clicked)

    def type_opening(self, text: str) -> None:
        """Replace the opening."""
        box = self.one("#opening textarea")
        box.clear()
        box.send_keys(text)

    def write(self, opening: str | None = None) -> None:
        """Press the button, after typing an opening when one is given."""
        if opening is not None:
            self.type_opening(opening)
        self.one("#write").click()

    def story(self) -> str:
        """The text of the first story, its footer left out."""
        script = "return [...document.querySelectorAll('.story')].slice(0, 1).map(s => [...s.querySelectorAll('p')].map(p => p.innerText).join('\\n\\n'))[0] || ''"
        return self.browser.execute_script(script)

    def told(self) -> str:
        """Wait for the end of the stories and give the first one."""
        self.wait(lambda: self.all(".story footer") and not self.all(".story .caret") and not self.shown("#stop"))
        return self.story()

    def open_tab(self, key: str, selector: str) -> None:
        """Open the tab whose label has a key, and wait for one of its parts."""
        from spaces.labels import labels

        self.click("[role=tab]", labels("english")[key])
        self.wait(lambda: self.shown(selector))

    def shown(self, selector: str) -> bool:
        """Whether an element is there and visible."""
        return any(element.is_displayed() for element in self.all(selector))

    def paste(self, selector: str, text: str) -> None:
        """Replace the text of a field, however long."""
        script = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input', {bubbles: true}))"
        self.browser.execute_script(script, self.one(selector), text)

    def choose_language(self, native_name: str) -> None:
        """Choose the language of the story."""
        self.click("#language label", native_name)

    def choose(self, dropdown: str, text: str) -> None:
        """Choose the option of a dropdown that shows a text."""
        self.click(f"{dropdown} input")

        def chosen() -> bool:
            for option in self.all("[role=option]"):
                if option.text.strip("✓ \n") == text:
                    option.click()
                    return True
            return False

        self.wait(chosen)

    def set_slider(self, element_id: str, value: int) -> None:
        """Set a slider by its number field."""
        field = self.one(f"#{element_id} input[type=number]")
        field.clear()
        field.send_keys(f"{value}\n")

    def requests(self) -> list[str]:
        """Addresses that the browser has asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
