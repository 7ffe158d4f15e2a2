// Show times in the time zone chosen in Airflow's UI, which is stored in this origin's local storage, or else in the
// browser's. The server sends UTC, which becomes the tooltip. If the choice changes, a storage event arrives.
"use strict";

const times = [...document.querySelectorAll("time, svg title")].map((element) => [element, element.textContent]);

function chosenZone() {
  try {
    return JSON.parse(localStorage.getItem("timezone")) ?? undefined;
  } catch {
    return undefined;
  }
}

function inZone(options) {
  const shared = { year: "numeric", month: "2-digit", day: "2-digit" };
  try {
    return new Intl.DateTimeFormat("en-US", { ...shared, ...options, timeZone: chosenZone() });
  } catch {
    // The browser does not know the zone.
    return new Intl.DateTimeFormat("en-US", { ...shared, ...options });
  }
}

function parts(format, at) {
  return Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]));
}

function showTimes() {
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const whole = inZone(clock);
  const day = inZone({});
  for (const [element, utc] of times) {
    const shown = utc.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/, (_, date, time) => {
      const at = parts(whole, new Date(`${date}T${time}Z`));
      return `${at.year}-${at.month}-${at.day} ${at.hour}:${at.minute}:${at.second} ${at.timeZoneName}`;
    });
    if (element.matches("time.day")) {
      const at = parts(day, new Date(element.dateTime));
      element.textContent = `${at.year}-${at.month}-${at.day}`;
    } else {
      element.textContent = shown;
    }
    if (element.matches("time") && shown !== utc) {
      element.title = utc;
    }
  }
}

showTimes();
addEventListener("storage", showTimes);
