// Keys for whoever labels: each does what a button with that data-key does, and nothing else.
"use strict";

(() => {
  let isBusy = false;
  const isTyping = (element) =>
    element instanceof HTMLInputElement && element.type !== "checkbox";

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = document.activeElement;
    if (event.key === "Escape") {
      document.querySelector("h1.focus")?.focus();
      return;
    }
    if (event.key === "Enter" && at?.id === "search") {
      event.preventDefault();
      document.querySelector("#found button")?.click();
      return;
    }
    if (event.key === "Enter" && at?.id === "reason") {
      event.preventDefault(); // else it would take the first label
      document.querySelector("h1.focus")?.focus();
      return;
    }
    if (isBusy || isTyping(at) || at instanceof HTMLSelectElement || event.repeat) return;
    const meant = [...document.querySelectorAll("[data-key]")].find(
      (one) => one.dataset.key === event.key.toLowerCase()
    );
    if (!meant) return;
    event.preventDefault();
    if (isTyping(meant)) meant.focus();
    else meant.click();
  });

  // A second key while the answer to the first is on its way would decide an item not yet seen.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.id === "search") return;
    if (isBusy) event.preventDefault();
    else isBusy = true;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.target.id !== "search" && !event.detail.successful) isBusy = false;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "work") return;
    isBusy = false;
    document.querySelector("h1.focus")?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });

  document.addEventListener(
    "htmx:load",
    () => {
      document.documentElement.dataset.ready = "true"; // keys work from here on
    },
    { once: true }
  );

  const fail = (words) => {
    const notice = document.querySelector("[role=status].notice");
    if (notice) {
      notice.className = "notice bad";
      notice.textContent = words;
    }
  };
  document.addEventListener("htmx:responseError", () =>
    fail("Not taken: the server could not do this now. Try again, or load the page anew.")
  );
  document.addEventListener("htmx:sendError", () =>
    fail("Not taken: the server does not answer. Try again in a moment.")
  );
})();
