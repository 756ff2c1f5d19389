/** The requests of the leak suite: who asks, by what it can be told, and what its handler shall do. */
import type { CacheOptions } from "express-redis-kit";

/**
 * Three who must not learn of one another, and somebody who is nobody: by names too long to come up by
 * chance in an ETag or a signature.
 */
export const PEOPLE = ["alicia", "robert", "carolina", "nobody"] as const;
export type Person = (typeof PEOPLE)[number];

/** How a person shows who it is. */
export const SIGNS = [
  "authorization",
  "api-key",
  "user",
  "jwt",
  "session",
  "late-session",
  "anonymous-session",
] as const;
export type Sign = (typeof SIGNS)[number];

/** What the handler, or a middleware around it, does beside answering. */
export const DEEDS = [
  "plain",
  "pieces",
  "validate",
  "validate-and-set-cookie",
  "set-cookie",
  "outer-cookie",
  "private",
  "no-store",
  "no-cache",
  "vary",
  "fail",
  "throw",
  "abort",
  "read-session",
  "csrf",
] as const;
export type Deed = (typeof DEEDS)[number];

/** One cached route; the oracle knows it by what its options say. */
export interface Route {
  readonly name: string;
  readonly scope: "none" | "public" | "user" | "tenant";
  readonly isOrigin: boolean;
  /** Where session() is mounted: before the cache, after it, nowhere. */
  readonly stack: "early" | "late" | "bare";
  readonly cors: "before" | "after" | "none";
  readonly zip: "before" | "after" | "none";
  /** Cookies that it ignores. */
  readonly ignored: readonly string[];
  readonly options: CacheOptions;
}

/** One request. */
export interface Ask {
  /** Unique in the whole run. */
  readonly number: number;
  readonly person: Person;
  readonly signs: readonly Sign[];
  readonly route: Route;
  readonly page: string;
  readonly method: "GET" | "HEAD";
  readonly host: string;
  readonly forwardedHost: string | undefined;
  readonly forwardedProto: string | undefined;
  /** Whether the server that is asked believes the two. */
  readonly isTrusting: boolean;
  readonly deed: Deed;
  /** What the handler says of freshness where the route follows it. */
  readonly freshness: string;
  /** The request's own Cache-Control. */
  readonly directive: string | undefined;
  /** What the client says that it has: anything, or something else. */
  readonly condition: "*" | '"none"' | undefined;
  readonly gzip: boolean;
  /** The client hangs up while its handler runs. */
  readonly leaves: boolean;
}

/** What tells a request, and its person, from all others. */
export function markOf({ person, number }: Pick<Ask, "person" | "number">): string {
  return `${person}.${number}`;
}

/** The group that a person belongs to. */
export function tenantOf({ person, route }: Ask): string | undefined {
  if (route.scope !== "tenant" || person === "nobody") return undefined;
  return person === "carolina" ? "south" : "north";
}

/** Scheme and host as the application sees them. */
export function originOf(ask: Ask): string {
  const { isTrusting, forwardedHost, forwardedProto, host } = ask;
  const scheme = (isTrusting && forwardedProto) || "http";
  return `${scheme}://${(isTrusting && forwardedHost) || host}`;
}

/** Whether a request carries a sign; those of nobody and all but one cookie of a name do not go out. */
export function shows({ person, signs }: Ask, sign: Sign): boolean {
  if (person === "nobody" || !signs.includes(sign)) return false;
  return sign !== "anonymous-session" || !signs.includes("session");
}

/** Session cookies by sign and person: `session:alicia`. */
export type SessionCookies = Readonly<Record<string, string>>;

/** Cookies of a request, each with its name. */
export function cookiesOf(ask: Ask, sessions: SessionCookies): readonly [string, string][] {
  const cookies: [string, string][] = [];
  if (ask.route.ignored.includes("theme")) cookies.push(["theme", "theme=dark"]);
  if (shows(ask, "jwt")) cookies.push(["jwt", `jwt=${markOf(ask)}`]);
  for (const sign of ["session", "anonymous-session", "late-session"] as const) {
    const cookie = sessions[`${sign}:${ask.person}`];
    if (shows(ask, sign)) cookies.push([cookie!.split("=", 1)[0]!, cookie!]);
  }
  return cookies;
}

/** The header fields of a request. */
export function headersOf(ask: Ask, sessions: SessionCookies): Record<string, string> {
  const mark = markOf(ask);
  const cookies = cookiesOf(ask, sessions).map(([, cookie]) => cookie);
  const tenant = tenantOf(ask);
  return {
    Host: ask.host,
    "X-Ask": String(ask.number),
    Origin: `https://${ask.person}.test`,
    ...(ask.forwardedHost !== undefined && { "X-Forwarded-Host": ask.forwardedHost }),
    ...(ask.forwardedProto !== undefined && { "X-Forwarded-Proto": ask.forwardedProto }),
    ...(ask.gzip && { "Accept-Encoding": "gzip" }),
    ...(ask.condition !== undefined && { "If-None-Match": ask.condition, Range: "bytes=0-3" }),
    ...(ask.directive !== undefined && { "Cache-Control": ask.directive }),
    ...(tenant !== undefined && { "X-Tenant": tenant }),
    ...(shows(ask, "authorization") && { Authorization: `Bearer ${mark}` }),
    ...(shows(ask, "api-key") && { "X-API-Key": `key-${mark}` }),
    ...(shows(ask, "user") && { "X-User": ask.person }),
    ...(cookies.length > 0 && { Cookie: cookies.join("; ") }),
  };
}
