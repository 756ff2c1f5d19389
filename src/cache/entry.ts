/** A stored response: a line of JSON, then the body's bytes. */

/** Header fields by lower-case name, as they are sent. */
export type Fields = Record<string, string | string[]>;

/** A response that was stored. Times are milliseconds since the epoch. */
export interface Entry {
  readonly status: number;
  readonly fields: Fields;
  /** What the resource's token was before the handler ran. */
  readonly token: string;
  readonly storedAt: number;
  readonly expiresAt: number;
  readonly body: Buffer;
}

/** Prints an entry. */
export function encodeEntry({ body, ...head }: Entry): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), body]);
}

/** Reads an entry; undefined for bytes that are none. */
export function decodeEntry(bytes: Buffer): Entry | undefined {
  const end = bytes.indexOf(10);
  if (end < 0) return undefined;
  try {
    const head = JSON.parse(bytes.toString("utf8", 0, end)) as Omit<Entry, "body">;
    if (typeof head.status !== "number" || typeof head.token !== "string") return undefined;
    return { ...head, body: bytes.subarray(end + 1) };
  } catch {
    return undefined;
  }
}
