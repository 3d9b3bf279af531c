// One tab stop for many items: arrow keys go from item to item, and Tab comes back to the last.

const STEPS = {
  ArrowLeft: (place) => place - 1,
  ArrowUp: (place) => place - 1,
  ArrowRight: (place) => place + 1,
  ArrowDown: (place) => place + 1,
  Home: () => 0,
  End: (place, last) => last,
};

function rove(container, selector, keys) {
  container.addEventListener("focusin", (event) => {
    const item = event.target.closest(selector);
    if (item) setTabStop(container, selector, item);
  });
  container.addEventListener("keydown", (event) => {
    if (!event.target.matches(selector) || !keys.includes(event.key)) return;
    const items = [...container.querySelectorAll(selector)];
    const next = items[STEPS[event.key](items.indexOf(event.target), items.length - 1)];
    next?.focus();
    event.preventDefault();
  });
}

function setTabStop(container, selector, item = container.querySelector(selector)) {
  for (const other of container.querySelectorAll(`${selector}[tabindex="0"]`)) other.tabIndex = -1;
  if (item) item.tabIndex = 0;
}
