"""Copying and saving stories, in the visitor's browser: the server keeps none of them."""

COPY = """(rows) => {
  const text = (rows || []).map(r => r.opening + r.completion).join('\\n\\n---\\n\\n');
  if (!text) return;
  const button = document.querySelector('#copy');
  const done = () => { button.classList.add('done'); setTimeout(() => button.classList.remove('done'), 1500); };
  const byHand = () => {  // pages that are not served over https have no clipboard
    const area = document.createElement('textarea');
    area.value = text; document.body.appendChild(area); area.select();
    document.execCommand('copy'); area.remove(); done();
  };
  navigator.clipboard ? navigator.clipboard.writeText(text).then(done, byHand) : byHand();
}"""

_SAVE = """(rows) => {{
  if (!rows || !rows.length) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([{body}], {{type: '{mime};charset=utf-8'}}));
  link.download = ['{name}', rows[0].language, rows[0].seed ?? rows.length].join('-') + '.{suffix}';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}}"""

SAVE_TEXT = _SAVE.format(
    body="rows.map(r => r.opening + r.completion).join('\\n\\n---\\n\\n') + '\\n'", mime="text/plain", name="story", suffix="txt"
)
SAVE_JSON = _SAVE.format(body="JSON.stringify(rows, null, 2) + '\\n'", mime="application/json", name="story", suffix="json")
_LINES = "rows.map(r => JSON.stringify(r) + '\\n').join('')"
SAVE_LINES = _SAVE.format(body=_LINES, mime="application/jsonl", name="story", suffix="jsonl")
SAVE_SCORES = _SAVE.format(body=_LINES, mime="application/jsonl", name="scores", suffix="jsonl")
