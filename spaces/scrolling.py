"""Bringing what was asked for into view on a small screen, where it begins below the edge."""

_SHOW = """() => {{
  if (innerWidth > 640) return;
  document.activeElement?.blur();  // puts the keyboard away
  const behavior = matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
  let waited = 0;
  const timer = setInterval(() => {{
    const begun = [...document.querySelectorAll('#{output} {sign}')].some(part => part.offsetParent);
    if (!begun && ++waited < 100) return;
    clearInterval(timer);
    if (begun) document.querySelector('#{button}').scrollIntoView({{behavior, block: 'start'}});
  }}, 100);
}}"""


def into_view(button: str, output: str, sign: str = ":is(.story, .problem)") -> str:
    """The script that puts a button at the top of a phone's screen, once what `sign` selects can be seen in `output`."""
    return _SHOW.format(button=button, output=output, sign=sign)
