/** What a key of the cache holds: a line of JSON, then the body's bytes. */
import { isUtf8 } from "node:buffer";

/** Header fields by lower-case name, as they are sent. */
export type Fields = Record<string, string | string[]>;

/** A response that was stored. Times are milliseconds, points in time since the epoch. */
export interface Entry {
  /** What the resource's version and its tags' were before the handler ran. */
  readonly versions: readonly string[];
  /** Which variant of its resource this is. */
  readonly hash: string;
  readonly status: number;
  readonly fields: Fields;
  /** When the response was made, as far as its Age and Date tell: RFC 9111, section 4.2.3. */
  readonly bornAt: number;
  /** When it was received, and its body recorded. */
  readonly storedAt: number;
  readonly freshUntil: number;
  /** How long after its freshness it may be served while it is refreshed. */
  readonly stale: number;
  /** How long after its freshness it may stand in for an error. */
  readonly staleIfError: number;
  /** It must not be served stale, whatever a request allows. */
  readonly isStrict?: true;
  /** Its ETag and Last-Modified are the handler's own: the handler can be asked whether they still hold. */
  readonly isValidatable?: true;
  /**
   * Request fields that tell stored variants apart (RFC 9111, section 4.1): there may be one that fits a
   * request better. With the status 0 the entry says nothing but that.
   */
  readonly vary?: readonly string[];
  readonly body: Buffer;
}

/** Text: where values cannot be bytes, others than text are written in base64. */
export type Encoding = "bytes" | "text";

/** Prints an entry; `head` is what comes before the second member of its JSON. */
export function encodeEntry(entry: Entry, encoding: Encoding, head = "{"): Buffer {
  const { body, ...parts } = entry;
  const isEncoded = encoding === "text" && !isUtf8(body);
  const json = JSON.stringify(isEncoded ? { ...parts, encoding: "base64" } : parts).slice(1);
  return Buffer.concat([
    Buffer.from(`${head}${json}\n`),
    isEncoded ? Buffer.from(body.toString("base64")) : body,
  ]);
}

/** Whoever can write to Redis may have written this; what is no answer at all is none of ours. */
function isSound(entry: Partial<Entry>): boolean {
  const { status, vary, versions, fields, bornAt, freshUntil, stale, staleIfError } = entry;
  const isSignpost = status === 0 && Array.isArray(vary);
  const isStatus = Number.isInteger(status) && (isSignpost || (status! >= 200 && status! < 600));
  return (
    isStatus &&
    Array.isArray(versions) &&
    typeof fields === "object" &&
    fields !== null &&
    [bornAt, freshUntil, stale, staleIfError].every(Number.isFinite)
  );
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/** Reads an entry; undefined for bytes that are none. */
export function decodeEntry(bytes: Buffer): Entry | undefined {
  const end = bytes.indexOf(10);
  if (end < 0) return undefined;
  try {
    // Fields that are not ASCII are not stored, so nothing in this line is.
    const entry = JSON.parse(bytes.toString("latin1", 0, end)) as Mutable<Entry> & {
      encoding?: string;
    };
    if (!isSound(entry)) return undefined;
    const rest = bytes.subarray(end + 1);
    entry.body =
      entry.encoding === "base64" ? Buffer.from(rest.toString("latin1"), "base64") : rest;
    return entry;
  } catch {
    return undefined;
  }
}
