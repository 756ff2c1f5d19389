/**
 * Bytes in a text that any client can store and JSON can carry.
 *
 * A value that is UTF-8 text stays as it is, so that other clients can read it. Other bytes are written in
 * base64 behind a marker. A text that begins with the marker of its own accord is written in base64 too, so
 * that whatever begins with the marker was written here.
 */
import { KitError } from "../errors.ts";

/** Begins none of the kit's own values. */
const MARKER = "@base64:";
const MARKER_BYTES = Buffer.from(MARKER);

/** Decodes strictly; fatal errors say that the bytes are no text. A byte order mark is kept. */
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function textOf(bytes: Buffer): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Makes a text of a value; {@link decodeBytes} gives the value back. */
export function encodeBytes(value: string | Buffer): string {
  const text = typeof value === "string" ? value : textOf(value);
  if (text !== undefined && !text.startsWith(MARKER)) return text;
  const bytes = typeof value === "string" ? Buffer.from(value) : value;
  return MARKER + bytes.toString("base64");
}

/**
 * The text of bytes where no marker can stand, such as a script's argument.
 *
 * @throws KitError `REDIS_COMMAND_FAILED` where they are no text
 */
export function plainText(bytes: Buffer, what: string): string {
  const text = textOf(bytes);
  if (text !== undefined) return text;
  throw new KitError("REDIS_COMMAND_FAILED", {
    message: `${what} holds bytes that are no text, which REST cannot carry in this place.`,
    fix: "Store bytes with SET, or use the database's rediss:// address.",
    outcome: "notSent",
  });
}

/** The value that {@link encodeBytes} was given. What others wrote comes back as it is. */
export function decodeBytes(stored: Buffer): Buffer {
  if (!stored.subarray(0, MARKER.length).equals(MARKER_BYTES)) return stored;
  const text = stored.toString("latin1", MARKER.length);
  const bytes = Buffer.from(text, "base64");
  return bytes.toString("base64") === text ? bytes : stored;
}
