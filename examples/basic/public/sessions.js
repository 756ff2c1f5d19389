/** The table of a user's live sessions: how it looks, not what it asks. */
import { $, make } from "./dom.js";

const timeOf = (at) => new Date(at).toLocaleTimeString();

/** @param content text, or an element */
function cell(label, content) {
  const td = make("td", "", "");
  td.setAttribute("role", "cell");
  td.dataset.label = label;
  td.append(content);
  return td;
}

function time(at) {
  const element = make("time", "", timeOf(at));
  element.dateTime = new Date(at).toISOString();
  return element;
}

function endButton({ handle, created, ip }, onEnd) {
  const button = make("button", "", "End");
  button.type = "button";
  // "End" alone would be said once a row, and nothing would tell one from another.
  button.setAttribute("aria-label", `End the session signed in at ${timeOf(created)} from ${ip}`);
  button.addEventListener("click", () => void onEnd(handle));
  return button;
}

function row(info, onEnd) {
  const tr = make("tr", "", "");
  tr.setAttribute("role", "row");
  const head = make("th", "", "");
  head.scope = "row";
  head.setAttribute("role", "rowheader");
  head.dataset.label = "Handle";
  head.append(make("code", "", info.handle));
  tr.append(
    head,
    cell("Signed in", time(info.created)),
    cell("Last seen", time(info.lastSeen)),
    cell("Address", info.ip ?? "unknown"),
    cell("Browser", info.userAgent ?? "unknown"),
    cell("End it", info.current ? make("span", "mine", "This browser") : endButton(info, onEnd)),
  );
  return tr;
}

/** Answers how many there are. */
export function showSessions({ most, sessions }, onEnd) {
  const others = sessions.filter(({ current }) => !current);
  const { activeElement } = document;
  // Both go away under who has just pressed them.
  const losesFocus =
    $("sessions-rows").contains(activeElement) ||
    (activeElement === $("sessions-end-others") && others.length === 0);
  $("sessions-most").textContent =
    most === 1
      ? "At most one: a login in another browser ends this one. For a list of several, start the server with CONCURRENT=3."
      : `At most ${most}: a login too many ends the oldest.`;
  $("sessions-rows").replaceChildren(...sessions.map((info) => row(info, onEnd)));
  $("sessions-end-others").disabled = others.length === 0;
  if (losesFocus) $("sessions-refresh").focus();
  return sessions.length;
}

/** Leaves nothing of it to whoever signs in next. */
export function clearSessions() {
  $("sessions-rows").replaceChildren();
  $("sessions-note").textContent = "";
  $("sessions-end-others").disabled = true;
}
