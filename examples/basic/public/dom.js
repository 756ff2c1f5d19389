/** What both parts of the page make elements with. */

export const $ = (id) => document.getElementById(id);

/** Text goes in as text: a User-Agent may hold markup. */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
