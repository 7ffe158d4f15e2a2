// Moments in the time zone that Airflow's UI shows: it keeps the choice in the storage of this origin, and begins with
// the browser's own zone. The pages come with UTC, which stays as the hint; a choice made meanwhile arrives as an event.
"use strict";

const moments = [...document.querySelectorAll("time, svg title")].map((element) => [element, element.textContent]);

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
    // A zone that this browser does not know.
    return new Intl.DateTimeFormat("en-US", { ...shared, ...options });
  }
}

function parts(format, at) {
  return Object.fromEntries(format.formatToParts(at).map((part) => [part.type, part.value]));
}

function showMoments() {
  const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const whole = inZone(clock);
  const day = inZone({});
  for (const [element, utc] of moments) {
    const shown = utc.replace(/(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) UTC/, (_, date, time) => {
      const told = parts(whole, new Date(`${date}T${time}Z`));
      return `${told.year}-${told.month}-${told.day} ${told.hour}:${told.minute}:${told.second} ${told.timeZoneName}`;
    });
    if (element.matches("time.day")) {
      const told = parts(day, new Date(element.dateTime));
      element.textContent = `${told.year}-${told.month}-${told.day}`;
    } else {
      element.textContent = shown;
    }
    if (element.matches("time") && shown !== utc) {
      element.title = utc;
    }
  }
}

showMoments();
addEventListener("storage", showMoments);
