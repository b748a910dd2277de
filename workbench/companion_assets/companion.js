// What Streamlit's own elements cannot do: hear "?", notice a new connection, announce a new item, and put the focus
// where the eye is. It draws nothing but a region for screen readers, and decides nothing.

const HEADING = "[data-testid=stMain] h3";
const TYPING = "input, textarea, select, [contenteditable=true], [role=textbox]";
const FIELDS = "[role=radio], input:not([type=hidden]):not([disabled]), textarea:not([disabled])";

export default function ({ parentElement, setTriggerValue }) {
  const region = document.createElement("div");
  region.setAttribute("role", "status");
  region.setAttribute("aria-live", "polite");
  region.style.cssText = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)";
  parentElement.replaceChildren(region);

  const app = document.querySelector("[data-testid=stApp]");
  let heading = text(document.querySelector(HEADING));
  let form = document.querySelector("[class*=st-key-panel-]");
  let isAway = false;
  let isDue = false;

  // On a chip or a button the browser takes Ctrl+Enter for a press of it; here it saves the form, as everywhere else.
  function onSave(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (!(event.target instanceof Element) || !event.target.closest("button, [role=radio], [role=checkbox]")) return;
    const save = [...document.querySelectorAll("button")].find((each) => /^(Save|Show the AI's)/.test(text(each)));
    if (!save || save.disabled || save === event.target) return;
    event.preventDefault();
    event.stopPropagation();
    save.click();
  }

  function onKey(event) {
    if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target instanceof Element && event.target.closest(TYPING)) return;
    event.preventDefault();
    setTriggerValue("sheet", Date.now());
  }

  // The buttons of a page that was drawn by another server are dead until it is drawn by this one.
  function onConnection() {
    const state = app?.getAttribute("data-test-connection-state");
    if (state !== "CONNECTED") isAway = true;
    else if (isAway) {
      isAway = false;
      setTriggerValue("back", Date.now());
    }
  }

  function look() {
    isDue = false;
    const item = document.querySelector(HEADING);
    if (item && text(item) !== heading) {
      heading = text(item);
      region.textContent = heading;
      main.scrollTo({ top: 0 }); // it begins there, and so does what was saved of the one before
      if (isLost()) focus(item);
    }
    const opened = document.querySelector("[class*=st-key-panel-]");
    const field = opened && opened !== form ? firstField(opened) : null;
    if (field && isLost()) focus(field);
    if (field || !opened) form = opened; // its fields come after the form itself
  }

  function onChange() {
    if (!isDue) {
      isDue = true;
      requestAnimationFrame(look);
    }
  }

  const main = document.querySelector("[data-testid=stMain]") ?? document.body;
  const changes = new MutationObserver(onChange);
  changes.observe(main, { childList: true, subtree: true, characterData: true });
  const connection = new MutationObserver(onConnection);
  if (app) connection.observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });
  document.addEventListener("keydown", onKey);
  document.addEventListener("keydown", onSave, true);
  return () => {
    changes.disconnect();
    connection.disconnect();
    document.removeEventListener("keydown", onKey);
    document.removeEventListener("keydown", onSave, true);
  };
}

function text(element) {
  return element?.textContent?.trim() ?? "";
}

// Nobody is typing, and what had the focus is gone or was a button that did its work.
function isLost() {
  const active = document.activeElement;
  return !active || active === document.body || active.tagName === "BUTTON" || active.tagName === "H3";
}

function focus(element) {
  if (!element) return;
  if (element.tagName === "H3") {
    element.setAttribute("tabindex", "-1");
    element.style.outline = "none";
  }
  element.focus({ preventScroll: element.tagName === "H3" });
  if (element.select) element.select();
}

// The final value stands above the form in which it is changed.
function firstField(form) {
  const final = document.querySelector("[class*=st-key-final-] input");
  const typed = form.querySelector("[class*=st-key-change-]") ? final : null;
  return typed ?? form.querySelector(FIELDS);
}
