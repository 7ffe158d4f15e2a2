// Airflow shows this page in a sandboxed frame, which may neither lead its parent elsewhere nor open a window. A link to
// Airflow's own pages is therefore followed by the parent itself, which is of the same origin.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  if (!link || window.parent === window) {
    return;
  }
  event.preventDefault();
  const step = window.parent.document.createElement("a");
  step.href = link.href;
  if (event.ctrlKey || event.metaKey || event.shiftKey) {
    step.target = "_blank";
  }
  window.parent.document.body.append(step);
  step.click();
  step.remove();
});
