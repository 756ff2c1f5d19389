/** What stands in a session's key: express-session's JSON that connect-redis can read, and a mark of ours. */
import type { Session } from "express-session";
import { idText } from "../../id-text.ts";
import type { EndReason } from "../../observe/events.ts";

/** Told to a client whose session was ended: why, and when (milliseconds since the epoch). */
export interface SessionEnded {
  /** Why it ended. */
  readonly reason: EndReason;
  /** When it ended, in milliseconds since the epoch. */
  readonly at: number;
}

/** What the kit adds to a session's JSON; never seen by the application. */
export interface Mark {
  /** Format version. */
  readonly v: 1;
  /** When the session was made, for its absolute timeout. Milliseconds since the epoch. */
  readonly created: number;
  /** Where the user signed in from: the client's address. */
  readonly ip?: string;
  /** And with what: its User-Agent, cut to {@link LONGEST_AGENT}. */
  readonly agent?: string;
  /** Another library wrote the session first; it was claimed when it was first read. */
  readonly adopted?: true;
  /** The prefix of the key that it stood in, where that was another one. */
  readonly from?: string;
}

/** Characters of a User-Agent that are kept. */
export const LONGEST_AGENT = 256;

const MARK = "$kit";

/** Told to no client: the session of another library was logged out here, and is not to be taken over again. */
export type Burial = Omit<SessionEnded, "reason"> & { readonly reason: EndReason | "signed-out" };

/** A session's own data, by top-level key. */
export type SessionJson = Record<string, unknown> & {
  cookie: { originalMaxAge?: number | false | null; expires?: unknown };
};

/** How long a session lives by its own cookie, in milliseconds; undefined for a browser's session. */
export function ownLifetime({ originalMaxAge }: SessionJson["cookie"]): number | undefined {
  return typeof originalMaxAge === "number" ? originalMaxAge : undefined;
}

/** A session's key, read. */
export type StoredRecord =
  | { readonly kind: "live"; readonly data: SessionJson; readonly mark: Mark | undefined }
  | { readonly kind: "ended"; readonly ended: Burial }
  | { readonly kind: "corrupt" };

/** Reads what stands in a session's key. */
export function decode(text: string): StoredRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { kind: "corrupt" };
  }
  if (typeof value !== "object" || value === null) return { kind: "corrupt" };
  const { [MARK]: mark, ended, ...data } = value as Record<string, unknown>;
  if (isEnded(ended) && mark === undefined) return { kind: "ended", ended };
  if (!isCookie(data["cookie"])) return { kind: "corrupt" };
  if (ended !== undefined) data["ended"] = ended;
  delete data["__proto__"]; // JSON can hold it; an assignment of it would change what a session is.
  return { kind: "live", data: data as SessionJson, mark: isMark(mark) ? mark : undefined };
}

function isEnded(value: unknown): value is Burial {
  return typeof value === "object" && value !== null && "reason" in value && "at" in value;
}

function isMark(value: unknown): value is Mark {
  return Number.isFinite((value as Partial<Mark> | null | undefined)?.created);
}

/** Farther away there is no Date (ECMA-262, section 21.4.1.1). */
const LONGEST = 8.63e15;

/** What express-session's Cookie takes without throwing, and what a lifetime can be made of. */
function isCookie(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { originalMaxAge, maxAge } = value as { originalMaxAge?: unknown; maxAge?: unknown };
  return [originalMaxAge, maxAge].every(
    (length) =>
      length === undefined ||
      length === null ||
      length === false || // What express-session makes of `cookie.expires = false`.
      (typeof length === "number" && Math.abs(length) <= LONGEST),
  );
}

/** A session's plain data, as JSON would carry it. */
export function toJson(session: Session | SessionJson): SessionJson {
  return JSON.parse(JSON.stringify(session)) as SessionJson;
}

/** Prints a session's key. */
export function encode(data: SessionJson, mark: Mark): string {
  return JSON.stringify({ ...data, [MARK]: mark });
}

/** All of a session that matters to whether it must be written; its sliding expiry does not. */
export function fingerprint(session: Session | SessionJson): string {
  const { cookie, ...rest } = session;
  const { data = cookie } = cookie as { data?: object };
  return JSON.stringify([rest, { ...data, expires: undefined }]);
}

const COOKIE_FIELDS = [
  "originalMaxAge",
  "path",
  "httpOnly",
  "secure",
  "sameSite",
  "domain",
  "partitioned",
  "priority",
] as const;

/**
 * Whether a session certainly is what `loaded` was, but for its sliding expiry: of one that holds
 * nothing but texts, numbers and the like, that can be seen without writing it out.
 */
export function isPlainlyUnchanged(session: Session | SessionJson, loaded: SessionJson): boolean {
  const mine = session as unknown as Record<string, unknown>;
  const names = Object.keys(mine);
  if (names.length !== Object.keys(loaded).length) return false;
  for (const name of names) {
    if (name === "cookie") continue;
    const value = mine[name];
    if (value !== loaded[name] || (typeof value === "object" && value !== null)) return false;
  }
  const [is, was] = [mine["cookie"], loaded.cookie] as Record<string, unknown>[];
  return COOKIE_FIELDS.every((field) => (is?.[field] ?? null) === (was?.[field] ?? null));
}

const MARK_START = `,"${MARK}":`;

/**
 * Whether a session is still what `text` holds, but for its sliding expiry: of a session as this
 * process writes it, one JSON.stringify tells.
 */
export function isUnchanged(session: Session | SessionJson, text: string): boolean {
  const json = JSON.stringify(session);
  const end = json.length - 1;
  if (text.startsWith(MARK_START, end) && text.startsWith(json.slice(0, end))) return true;
  const record = decode(text);
  return record.kind === "live" && fingerprint(record.data) === fingerprint(session);
}

/**
 * What stands in the key of a session that was ended. Stock connect-redis reads it as an anonymous
 * session; the kit reads why the client is signed out.
 */
export function tombstone(ended: Burial): string {
  return JSON.stringify({ cookie: { originalMaxAge: null, expires: null }, ended });
}

/** Finds the user that a session is signed in as. */
export type UserOf = (session: Record<string, unknown>) => string | undefined;

/** What an application writes in the place of a user to sign out. */
function isNobody(user: unknown): boolean {
  return user === undefined || user === null || user === "" || user === false;
}

/** A `user` option, made to answer text: an id's text, nothing for nobody, and an empty text for a user without an id. */
export function textualUser(userOf: (session: Record<string, unknown>) => unknown): UserOf {
  return (session) => {
    const user = userOf(session);
    return isNobody(user) ? undefined : (idText(user) ?? "");
  };
}

/**
 * `userId`, or what Passport keeps at `passport.user`; of an object there, its `id` or `_id`. A user
 * that is there but cannot be told from another answers an empty text, which no save accepts.
 */
export function standardUser(session: Record<string, unknown>): string | undefined {
  const passport = session["passport"] as { user?: unknown } | undefined;
  const user = session["userId"] ?? passport?.user;
  if (isNobody(user)) return undefined;
  const { id, _id: key } = user as { id?: unknown; _id?: unknown };
  return idText(user) ?? idText(id) ?? idText(key) ?? "";
}

/** A session that two requests changed. */
export interface Merge {
  readonly data: SessionJson;
  /** Top-level keys that both changed, and differently: what the other wrote there is lost. */
  readonly conflicts: readonly string[];
}

/**
 * Puts onto `theirs` what `mine` changed since `base`, by top-level key. What both changed is mine.
 */
export function mergeChanges(base: SessionJson, mine: SessionJson, theirs: SessionJson): Merge {
  const merged: SessionJson = { ...theirs };
  const conflicts: string[] = [];
  for (const name of new Set([...Object.keys(base), ...Object.keys(mine)])) {
    if (name === "cookie") continue;
    const [was, is, other] = [base, mine, theirs].map((data) => JSON.stringify(data[name]));
    if (was === is) continue;
    if (other !== was && other !== is) conflicts.push(name);
    if (name in mine) merged[name] = mine[name];
    else delete merged[name];
  }
  const isCookieMine =
    fingerprint({ cookie: base.cookie }) !== fingerprint({ cookie: mine.cookie });
  if (isCookieMine) merged.cookie = mine.cookie;
  return { data: merged, conflicts };
}

/** Brings a session object up to what a merge made of the data that was saved; what it changed since stays. */
export function adopt(
  session: Record<string, unknown>,
  saved: SessionJson,
  merged: SessionJson,
): void {
  for (const name of new Set([...Object.keys(saved), ...Object.keys(merged)])) {
    if (name === "cookie") continue;
    const was = JSON.stringify(saved[name]);
    if (was === JSON.stringify(merged[name])) continue;
    // Changed since: that is still to be saved, over what the merge left in the key.
    if (JSON.stringify(session[name]) !== was) continue;
    if (name in merged) session[name] = merged[name];
    else delete session[name];
  }
}
