/** What may reach whom in the leak suite, told from the requests alone; and what of a reply may not. */
import { gunzipSync } from "node:zlib";
import { type Ask, type Deed, markOf, originOf, PEOPLE, shows, tenantOf } from "./leak-asks.ts";
import type { RawReply } from "./raw.ts";

/** What a handler made of a request. */
export interface Rendering {
  readonly ask: Ask;
  /** The response itself allows that another request of the same group gets it. */
  readonly isStorable: boolean;
  /** Request fields that it depends on, with the values that they had. */
  readonly varies: Readonly<Record<string, string | undefined>>;
}

/** A reply; status 0 stands for a connection that broke. */
export interface Heard {
  readonly ask: Ask;
  readonly reply: RawReply;
  /** What was sent. */
  readonly headers: Readonly<Record<string, string>>;
}

function userOf(ask: Ask): string | undefined {
  const isSignedIn = shows(ask, "session") && ask.route.stack === "early";
  return shows(ask, "user") || isSignedIn ? ask.person : undefined;
}

function isPersonal(ask: Ask): boolean {
  const { ignored, stack } = ask.route;
  if (shows(ask, "authorization") || shows(ask, "api-key") || shows(ask, "user")) return true;
  if (shows(ask, "jwt")) return true;
  if (shows(ask, "late-session") && !ignored.includes("late")) return true;
  const hasSession = shows(ask, "session") || shows(ask, "anonymous-session");
  return hasSession && (stack === "early" || !ignored.includes("sid"));
}

/** With whom a request shares by its route's scope; undefined: with nobody. */
function circleOf(ask: Ask): string | undefined {
  const { scope } = ask.route;
  if (scope === "public") return "all";
  if (scope === "tenant") return tenantOf(ask);
  const user = scope === "user" ? userOf(ask) : undefined;
  if (user !== undefined) return `user ${user}`;
  return isPersonal(ask) ? undefined : "anonymous";
}

function groupOf(ask: Ask): string | undefined {
  const circle = circleOf(ask);
  return circle && [ask.route.name, ask.page, originOf(ask), circle].join(" ");
}

const FORBIDDING: ReadonlySet<Deed> = new Set<Deed>([
  "set-cookie",
  "validate-and-set-cookie",
  "outer-cookie",
  "private",
  "no-store",
  "fail",
  "throw",
  "abort",
]);

/** Whether a response may be stored at all, but for what its session says. */
export function isStorable(ask: Ask): boolean {
  const { deed, route, freshness, directive } = ask;
  if (FORBIDDING.has(deed)) return false;
  if (!route.isOrigin) {
    const isVaryCovered = route.cors !== "after" || route.options.vary?.includes("Origin") === true;
    return deed !== "no-cache" && deed !== "vary" && isVaryCovered;
  }
  if (directive === "no-store") return false;
  // RFC 9111, section 3.5.
  const isShared = deed !== "no-cache" && /public|must-revalidate|s-maxage/.test(freshness);
  return !shows(ask, "authorization") || isShared;
}

/** Whether a handler that looks at the session makes the response its own visitor's. */
export function isSessionWatched(ask: Ask): boolean {
  return ["none", "user"].includes(ask.route.scope) && circleOf(ask) === "anonymous";
}

function mayReach(rendering: Rendering, { ask, headers }: Heard): boolean {
  const group = groupOf(ask);
  if (!rendering.isStorable || group === undefined || group !== groupOf(rendering.ask)) {
    return false;
  }
  return Object.entries(rendering.varies).every(([name, value]) => headers[name] === value);
}

/** All of a reply in which something could stand, decoded. */
function textOf({ headers, body }: RawReply): string {
  const isZipped = headers["content-encoding"] === "gzip" && body.length > 0;
  return JSON.stringify(headers) + (isZipped ? gunzipSync(body) : body).toString();
}

function expectedStatuses(ask: Ask, isOwn: boolean): number[] {
  const own = { fail: 503, throw: 500, abort: 0 }[ask.deed as string];
  return [
    200,
    ...(ask.condition === "*" ? [304] : []),
    ...(own !== undefined && (isOwn || own === 0) ? [own] : []),
    ...(ask.leaves ? [0] : []),
    ...(ask.directive === "only-if-cached" && ask.route.isOrigin ? [504] : []),
  ];
}

/** Fields that middlewares mounted before the cache gave this request. */
function foreignOuterFields({ ask, reply }: Heard): string[] {
  const { headers, status } = reply;
  const own = `self.${markOf(ask)}`;
  // Express's last resort for errors takes all fields off.
  if (status === 0 || status === 500) return [];
  const { cors } = ask.route;
  const hasCors = cors === "before" || (cors === "after" && status !== 504);
  const expected: Record<string, string | undefined> = {
    "x-request-id": own,
    "x-late": own,
    ratelimit: `"api";r=${ask.number};t=60`,
    "access-control-allow-origin": hasCors ? `https://${ask.person}.test` : undefined,
  };
  return Object.entries(expected)
    .filter(([name, value]) => headers[name] !== value)
    .filter(([name]) => ask.deed !== "throw" || headers[name] !== undefined)
    .map(([name, value]) => `${name} is ${String(headers[name])} instead of ${String(value)}`);
}

const MARK = /\b(self|in)\.(\w+)\.(\d+)\b/g;

/** What is wrong with a reply: bytes of others, fields of others, an answer to another question. */
export function wrongsOf(
  heard: Heard,
  renderings: ReadonlyMap<number, Rendering>,
): readonly string[] {
  const { ask, reply } = heard;
  const wrongs = foreignOuterFields(heard);
  const text = textOf(reply);
  const known = new Set<string>([ask.person]);
  let isOwn = false;
  for (const [mark, place, person, number] of text.matchAll(MARK)) {
    if (Number(number) === ask.number) {
      isOwn ||= place === "in";
      continue;
    }
    const rendering = renderings.get(Number(number));
    const isAllowed = place === "in" && rendering !== undefined && mayReach(rendering, heard);
    if (isAllowed) known.add(person!);
    else wrongs.push(`${mark} reached it`);
  }
  for (const person of PEOPLE) {
    if (text.includes(person) && !known.has(person))
      wrongs.push(`something of ${person} reached it`);
  }
  if (!expectedStatuses(ask, isOwn).includes(reply.status)) wrongs.push(`status ${reply.status}`);
  if (reply.headers["content-encoding"] === "gzip" && !ask.gzip) wrongs.push("unasked gzip");
  for (const cookie of reply.headers["set-cookie"] ?? []) {
    if (!isOwn && !cookie.startsWith("outer=")) wrongs.push(`the cookie ${cookie}`);
  }
  return wrongs;
}
