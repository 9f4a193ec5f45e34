// What the reader does before the page's modules run is not lost: what is typed stays, and Enter or Send is noted, to be done
// once they do. No module: it runs before the page is drawn.

{
  const composer = () => document.querySelector("#composer[data-early]"); // none any more, once the modules run

  const note = (event) => {
    if (!composer()) return;
    event.preventDefault();
    composer().dataset.early = "send";
  };

  addEventListener("submit", note, { capture: true });
  addEventListener("keydown", (event) => {
    if (event.target.id === "prompt" && event.key === "Enter" && !event.shiftKey && !event.isComposing) note(event);
  }, { capture: true });
}
