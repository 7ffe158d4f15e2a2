// Airflow shows this page in a sandboxed frame, which may not lead its parent elsewhere. A link to Airflow's own pages
// is therefore followed by the parent itself, which is of the same origin.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !plain || window.parent === window) {
    return;
  }
  event.preventDefault();
  const step = window.parent.document.createElement("a");
  step.href = link.href;
  window.parent.document.body.append(step);
  step.click();
  step.remove();
});
