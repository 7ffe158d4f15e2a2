// Follow the theme of Airflow's UI, which stores "light", "dark" or "system" in this origin's local storage.
// Loaded before the page is drawn. If the theme changes while the page is open, a storage event arrives.
"use strict";

function applyTheme() {
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // This page has no access to the storage. Use the system's theme.
  }
  const known = theme === "light" || theme === "dark";
  document.documentElement.classList.toggle("light", known && theme === "light");
  document.documentElement.classList.toggle("dark", known && theme === "dark");
}

applyTheme();
addEventListener("storage", applyTheme);
