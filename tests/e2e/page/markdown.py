"""Markdown as a model may write it, and how the page's renderer is driven without a model."""

from typing import Any

from playwright.sync_api import Page

EVERYTHING = r"""# A title
Some **bold**, *italic*, ~~gone~~ and `code`, a [link](https://example.com "x") and https://example.org/x.

## Under it
- one
- two
  - nested
- [ ] to do
- [x] done

7. seven
8. eight

> A quote
> goes on

| a | b | c |
|---|:-:|--:|
| 1 | 2 | 3 |
| $x^2$ | `x` | one<br>two |
| 4 | 5 | 6 |

```python
def square(x: int) -> int:
    return x * x  # two of them
```

Inline \(a^2+b^2=c^2\) and $e^{i\pi}=-1$; it costs $5 or $10.

$$
\int_0^1 x\,dx
= \frac12
+ 0
$$

\[ \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} \]

مرحبا بالعالم

See [the end][end].

---
1. loose

2. list

[end]: https://example.com/end
"""

DRAW = """async ([text, step]) => {
  const { Growing } = await import("/page/markdown/growing.js");
  const names = ["article", "h2", "div", "div", "div"];
  const [article, author, body, message, target] = names.map((name) => document.createElement(name));
  body.className = "body";
  message.className = "text";
  author.append("Hearth");
  article.append(author, body);
  body.append(message);
  message.append(target);
  document.getElementById("transcript").replaceChildren(article);
  const growing = new Growing(target);
  for (let at = 0; step && at < text.length; at += step) growing.add(text.slice(at, at + step));
  return growing.end(text);
}"""
COST = """async ([begin, line, count]) => {
  const { Growing } = await import("/page/markdown/growing.js");
  const target = document.createElement("div");
  document.getElementById("transcript").replaceChildren(target);
  const growing = new Growing(target), made = [];
  const create = document.createElement;
  let elements = 0;
  growing.add(begin);
  document.createElement = function (name) { elements += 1; return create.call(this, name); };
  for (let at = 0; at < count; at += 1) {
    const before = elements;
    growing.add(line);
    made.push(elements - before);
  }
  delete document.createElement;
  return made;
}"""


def draw(page: Page, text: str, step: int = 0) -> bool:
    """Show `text`, which came `step` characters at a time (0: whole). Return whether it is rendered."""
    rendered: bool = page.evaluate(DRAW, [text, step])
    return rendered


def cost(page: Page, begin: str, line: str, count: int) -> list[int]:
    """Return how many elements each of `count` equal lines after `begin` made, one added after the other."""
    made: list[Any] = page.evaluate(COST, [begin, line, count])
    return [int(number) for number in made]
