// Airflow shows this page in a sandboxed frame, which may neither navigate its parent nor open a window. The parent has
// the same origin, so a link to one of Airflow's own pages is copied into the parent's document and clicked there.
"use strict";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[target=_top]");
  if (!link || window.parent === window) {
    return;
  }
  event.preventDefault();
  const copy = window.parent.document.createElement("a");
  copy.href = link.href;
  if (event.ctrlKey || event.metaKey || event.shiftKey) {
    copy.target = "_blank";
  }
  window.parent.document.body.append(copy);
  copy.click();
  copy.remove();
});
