// Light or dark as Airflow's UI is: it keeps the choice ("light", "dark" or "system") in the storage of this origin.
// Loaded before anything is drawn; a choice made while the page is open arrives as an event.
"use strict";

function applyTheme() {
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // Storage is closed to this page: the system's choice it is.
  }
  const known = theme === "light" || theme === "dark";
  document.documentElement.classList.toggle("light", known && theme === "light");
  document.documentElement.classList.toggle("dark", known && theme === "dark");
}

applyTheme();
addEventListener("storage", applyTheme);
