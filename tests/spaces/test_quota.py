"""Nobody fills the machine alone."""

import pytest

from backend.errors import UserError
from spaces.labels import all_labels, labels
from spaces.quota import Quota, TooMany


@pytest.mark.parametrize("page", all_labels())
def test_too_many_stories_of_one_address_get_a_sentence_and_others_are_served(page):
    quota, words = Quota(3), labels(page)
    with quota.taking("a", 2, words):
        with pytest.raises(TooMany, match="3") as caught, quota.taking("a", 2, words):
            pass
        assert str(caught.value)[-1] in ".।"
        with quota.taking("b", 3, words), quota.taking("a", 1, words):
            pass
    with quota.taking("a", 3, words):
        pass


@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5"])
def test_a_limit_that_is_none_is_said(monkeypatch, value):
    monkeypatch.setenv("TINYSTORIES_PER_VISITOR", value)
    with pytest.raises(UserError, match="TINYSTORIES_PER_VISITOR"):
        Quota()
