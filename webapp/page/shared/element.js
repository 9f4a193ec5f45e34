// Makes an HTML element with properties and children. Text becomes text: no page uses HTML in a string.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
