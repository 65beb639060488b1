"""What tokens cost, from a table in a file."""

import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from backend.errors import UserError

TABLE = Path(__file__).with_name("prices.yaml")


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens."""

    input: float
    output: float

    def of(self, input_tokens: float, output_tokens: float) -> float:
        """Dollars for so many tokens."""
        return (input_tokens * self.input + output_tokens * self.output) / 1e6


def load_prices(path: Path | None = None) -> dict[str, Price]:
    """The table of a file, by model name. Raises UserError for a file that holds none."""
    path = path or TABLE
    try:
        rows = yaml.safe_load(path.read_text("utf-8"))
        prices = {str(model): Price(float(cells[0]), float(cells[1])) for model, cells in rows.items()}
        if not all(0 <= dollars < math.inf for price in prices.values() for dollars in (price.input, price.output)):
            raise ValueError
        return prices
    except OSError as error:
        raise UserError(f"The prices {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, AttributeError, TypeError, ValueError, LookupError):
        raise UserError(f"{path} is no table of prices; a line looks like 'gpt-4o-mini: [0.15, 0.60]'.") from None


def price_of(model: str, prices: dict[str, Price]) -> Price | None:
    """The price of the longest name that the model's begins with, with or without its `provider/`; None when there is none."""
    for name in (model, model.rpartition("/")[2]):
        fitting = [known for known in prices if name == known or name.startswith((f"{known}-", f"{known}:", f"{known}@"))]
        if fitting:
            return prices[max(fitting, key=len)]
    return None
