/** Shows the kit at work: who is signed in, what is left of the limit, what the cache answered. */
import { $, make } from "./dom.js";
import { clearSessions, showSessions } from "./sessions.js";

const POLL = 3000;
const BURST = 10;
const SETTINGS = "/brands/456/settings";
/** The bar of a read that took this long is as wide as the panel. */
const FULL_BAR = 250;

/**
 * Sends one request. `anonymous` leaves the cookie out: the first answer to an ended session clears
 * its cookie, and only /me, /sessions and the PUT say why, so no other may be that first one.
 */
async function call(method, path, { body, anonymous = false } = {}) {
  const started = performance.now();
  const response = await fetch(path, {
    method,
    // The browser's own cache would answer with a 304, and hide what the server's does.
    cache: "no-store",
    credentials: anonymous ? "omit" : "same-origin",
    ...(body && {
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    }),
  });
  const isJson = /[/+]json/.test(response.headers.get("content-type") ?? "");
  const data = isJson ? await response.json() : {};
  const { ok, status, headers } = response;
  return { ok, status, headers, data, ms: performance.now() - started, limit: parseLimit(headers) };
}

/** Notes what `work` has to say. A server that is away is a state to show, not a crash. */
async function attempt(note, work) {
  try {
    $(note).textContent = await work();
  } catch {
    $(note).textContent = "The server did not answer.";
  }
}

/** What a status that a panel has no words of its own for means. */
function explain({ status, headers, data }) {
  const wait = headers.get("retry-after");
  const again = wait === null ? "" : ` Try again in ${wait} s.`;
  const what = { 401: "Not signed in.", 429: "Too many requests.", 503: "Redis is away." };
  return `${status}: ${what[status] ?? data.message ?? data.error ?? "unexpected."}${again}`;
}

// --- The limit ---

/** Finds the `api` member of draft-8's lists: `"api";q=100;w=60` and `"api";r=97;t=58`. */
const apiMember = (field) => field?.split(/,\s*/).find((item) => item.startsWith('"api"'));
const parameter = (member, name) => Number(new RegExp(`;${name}=(\\d+)`).exec(member)?.[1]);

function parseLimit(headers) {
  const header = apiMember(headers.get("ratelimit"));
  if (header === undefined) return undefined;
  const quota = parameter(apiMember(headers.get("ratelimit-policy")), "q");
  return { header, quota, remaining: parameter(header, "r"), reset: parameter(header, "t") };
}

let resetAt = 0;

function showLimit(limit) {
  if (limit === undefined) return;
  $("limit-remaining").textContent = limit.remaining;
  $("limit-quota").textContent = limit.quota;
  $("limit-header").textContent = `RateLimit: ${limit.header}`;
  const meter = $("limit-meter");
  Object.assign(meter, { max: limit.quota, low: limit.quota / 4, high: limit.quota / 2 });
  Object.assign(meter, { optimum: limit.quota, value: limit.remaining });
  resetAt = Date.now() + limit.reset * 1000;
  showReset();
}

function showReset() {
  if (resetAt === 0) return;
  const left = Math.ceil((resetAt - Date.now()) / 1000);
  $("limit-reset").textContent = left > 0 ? `Resets in ${left} s.` : "Reset: send one to see.";
}

async function burst() {
  const requests = Array.from({ length: BURST }, () => call("GET", "/health", { anonymous: true }));
  const answers = await Promise.all(requests);
  // They were under way together, so the last to arrive need not be the last that was counted.
  const lowest = answers.reduce((a, b) => (b.limit?.remaining < a.limit?.remaining ? b : a));
  const refused = answers.filter(({ status }) => status === 429);
  showLimit(refused[0]?.limit ?? lowest.limit);
  const chips = answers.map(({ status }) =>
    make("li", status === 429 ? "chip refused" : "chip", status),
  );
  $("burst-answers").replaceChildren(...chips);
  if (refused.length === 0) return `All ${BURST} admitted.`;
  return `${refused.length} of ${BURST} refused. ${explain(refused[0])}`;
}

// --- The session ---

/** The name; null for nobody; undefined where no answer has said yet, as after a refusal at once. */
let user;
let timer;
let turn = Promise.resolve();

/** One at a time: the late answer to an earlier /me could clear the cookie that a login just set. */
function inTurn(work, note = "session-note") {
  turn = turn.then(() => attempt(note, work)).then(poll);
  return turn;
}

function showUser(name) {
  const hadFocus = $(user ? "signed-in" : "sign-in").contains(document.activeElement);
  const changed = name !== user;
  const isSignedIn = name !== null;
  user = name;
  // A live region speaks when it is written, even where the words are the same.
  if (changed) $("who").textContent = isSignedIn ? `Signed in as ${name}` : "Not signed in";
  $("who").classList.toggle("in", isSignedIn);
  $("sign-in").hidden = isSignedIn;
  $("signed-in").hidden = !isSignedIn;
  $("change-fields").disabled = !isSignedIn;
  $("change-hint").textContent = isSignedIn
    ? "A change purges the entry: the next read is a miss."
    : "Log in to change it. A change purges the entry.";
  $("sessions").hidden = !isSignedIn;
  if (!isSignedIn) clearSessions();
  else if (changed) void inTurn(listSessions, "sessions-note");
  if (changed && hadFocus) $(isSignedIn ? "logout" : "username").focus();
}

/** Why a session is over, in the words of this page. */
function sayWhy(reason) {
  if (reason === "signed-in-elsewhere")
    return `${user ?? "this user"} signed in from another browser`;
  if (reason === "revoked") return "this session was ended from another browser";
  return reason;
}

/** Handles a 401; says why the session is over where the server does. */
function showSignedOut({ data }) {
  const was = user;
  if (data.reason !== undefined) {
    $("ended").textContent = `You were signed out: ${sayWhy(data.reason)}.`;
    $("ended").hidden = false;
  }
  showUser(null);
  return was && data.reason === undefined ? "Your session is over." : "";
}

async function callForSession(method, path, options) {
  const answer = await call(method, path, options);
  const said = JSON.stringify(answer.data, null, 1).replaceAll("\n", "");
  $("session-answer").textContent =
    `${method} ${path}: ${answer.status} ${answer.status === 204 ? "" : said}`;
  showLimit(answer.limit);
  return answer;
}

async function askWho() {
  const answer = await callForSession("GET", "/me");
  if (answer.status === 401) return showSignedOut(answer);
  // A refusal by the limit, or by a Redis that is away, says nothing about who is signed in.
  if (answer.status !== 200) return explain(answer);
  showUser(answer.data.user);
  return "";
}

function poll() {
  clearTimeout(timer);
  if (user === null || document.hidden) return;
  timer = setTimeout(() => void inTurn(askWho), POLL);
}

async function logIn() {
  const body = { username: $("username").value, password: $("password").value };
  const answer = await callForSession("POST", "/login", { body });
  if (answer.status === 401) return "Wrong user name or password.";
  if (answer.status !== 200) return explain(answer);
  $("ended").hidden = true;
  $("password").value = "";
  showUser(answer.data.user);
  return "";
}

async function logOut() {
  const answer = await callForSession("POST", "/logout");
  if (answer.status === 204) showUser(null);
  return answer.status === 204 ? "" : explain(answer);
}

// --- All sessions of the user ---

async function callForSessions(method, path) {
  const answer = await call(method, path);
  $("sessions-answer").textContent = `${method} ${path}: ${answer.status}`;
  showLimit(answer.limit);
  // This panel is gone then, so what there is to say stands in the other one.
  if (answer.status === 401) $("session-note").textContent = showSignedOut(answer);
  return answer;
}

/** Answers what there is to say of it, after what an earlier request did. */
async function listSessions(news = "") {
  const answer = await callForSessions("GET", "/sessions");
  if (answer.status === 401) return "";
  if (answer.status !== 200) return `${news} ${explain(answer)}`;
  const count = showSessions(answer.data, endSession);
  const time = new Date().toLocaleTimeString();
  return `${news} ${count === 1 ? "One live session" : `${count} live sessions`} at ${time}.`;
}

async function changeSessions(method, path, sayDone) {
  const answer = await callForSessions(method, path);
  if (answer.status === 401) return "";
  // 404: another browser was faster, and the list is an old one.
  if (answer.status === 404) return listSessions("That session was over already.");
  return answer.ok ? listSessions(sayDone(answer.data)) : explain(answer);
}

const endSession = (handle) =>
  inTurn(
    () =>
      changeSessions("DELETE", `/sessions/${handle}`, () => "Ended: its next request will say so."),
    "sessions-note",
  );

const endOthers = () =>
  changeSessions("POST", "/sessions/end-others", ({ ended }) => `Ended ${ended}.`);

// --- The cache ---

/** RFC 9211: `express-redis-kit; hit; ttl=42`, or `…; fwd=miss; stored`. */
const outcomeOf = (status) =>
  /;\s*hit\b/.test(status) ? "hit" : (/fwd=([\w-]+)/.exec(status)?.[1] ?? "none");

async function readSettings() {
  const answer = await call("GET", SETTINGS, { anonymous: true });
  showLimit(answer.limit);
  if (answer.status !== 200) return explain(answer);
  const header = answer.headers.get("cache-status") ?? "–";
  const outcome = outcomeOf(header);
  const time = `${Math.max(1, Math.round(answer.ms))} ms`;
  $("cache-status").textContent = `Cache-Status: ${header}`;
  $("cache-badge").textContent = outcome;
  $("cache-badge").className = `badge ${outcome}`;
  $("cache-time").textContent = time;
  $("cache-color").textContent = answer.data.color;
  $("cache-swatch").style.backgroundColor = answer.data.color;
  $("cache-reads").textContent = answer.data.reads;
  $("cache-empty").hidden = true;
  $("cache-facts").hidden = false;
  const bar = make("li", outcome, `${outcome} ${time}`);
  bar.style.setProperty("--share", Math.min(1, answer.ms / FULL_BAR));
  $("cache-history").prepend(bar);
  if ($("cache-history").children.length > 5) $("cache-history").lastElementChild.remove();
  return "";
}

async function saveColor() {
  const answer = await call("PUT", SETTINGS, { body: { color: $("color").value.trim() } });
  showLimit(answer.limit);
  if (answer.status === 401) showSignedOut(answer);
  if (answer.status !== 200) return explain(answer);
  return `Saved ${answer.data.color}, and purged the entry. Read again.`;
}

// --- What a person does ---

function onSubmit(form, work) {
  $(form).addEventListener("submit", (event) => {
    event.preventDefault();
    void work();
  });
}

onSubmit("sign-in", () => inTurn(logIn));
// Its 401 may clear the cookie, as that of /me, so it waits for its turn too.
onSubmit("change", () => inTurn(saveColor, "cache-note"));
$("logout").addEventListener("click", () => void inTurn(logOut));
$("sessions-refresh").addEventListener("click", () => void inTurn(listSessions, "sessions-note"));
$("sessions-end-others").addEventListener("click", () => void inTurn(endOthers, "sessions-note"));
$("burst").addEventListener("click", () => void attempt("limit-note", burst));
$("cache-read").addEventListener("click", () => void attempt("cache-note", readSettings));
$("color").addEventListener("input", ({ target }) => {
  const isColor = CSS.supports("color", target.value.trim());
  target.setCustomValidity(isColor ? "" : "A CSS color, such as plum or #b3321f");
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && user !== null) void inTurn(askWho);
});
setInterval(showReset, 1000);
void inTurn(askWho);
