// Light or dark colours: those of the device, unless the reader has chosen others. No module: it runs before the page is drawn.

{
  const NAME = "hearth.theme", ROOT = document.documentElement, THEMES = ["light", "dark"];
  const device = matchMedia("(prefers-color-scheme: dark)");
  const ofDevice = () => (device.matches ? "dark" : "light");
  const chosen = () => THEMES.find((theme) => theme === kept());

  const kept = () => {
    try {
      return localStorage.getItem(NAME);
    } catch {
      return null; // a browser that stores nothing
    }
  };

  const show = () => {
    if (chosen()) ROOT.dataset.theme = chosen();
    else delete ROOT.dataset.theme;
  };

  // Back to the device's colours where they are asked for, so that the page follows the device again.
  const change = () => {
    const other = (ROOT.dataset.theme ?? ofDevice()) === "dark" ? "light" : "dark";
    try {
      if (other === ofDevice()) localStorage.removeItem(NAME);
      else localStorage.setItem(NAME, other);
      show();
    } catch {
      ROOT.dataset.theme = other; // until the page is closed
    }
  };

  show();
  addEventListener("storage", show);
  addEventListener("DOMContentLoaded", () => document.getElementById("theme").addEventListener("click", change));
}
