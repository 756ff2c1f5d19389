/** Values as bodies: what JSON holds as JSON, bytes as bytes. */
import { types } from "node:util";
import type { Entry, Fields } from "./store/entry.ts";

const JSON_TYPE = "application/json";
const BYTES_TYPE = "application/octet-stream";

/** What JSON would drop, or would turn into something else without a word. */
function isLost(value: unknown): boolean {
  if (typeof value === "object" && value !== null) {
    return (
      types.isMap(value) ||
      types.isSet(value) ||
      types.isWeakMap(value) ||
      types.isWeakSet(value) ||
      types.isRegExp(value) ||
      types.isNativeError(value) ||
      types.isPromise(value) ||
      ArrayBuffer.isView(value) ||
      types.isAnyArrayBuffer(value)
    );
  }
  return (
    ["function", "symbol", "bigint"].includes(typeof value) ||
    (typeof value === "number" && !Number.isFinite(value))
  );
}

/** A value's body; undefined for one that neither JSON nor bytes can hold. Dates become text. */
export function encodeValue(value: unknown): { fields: Fields; body: Buffer } | undefined {
  if (types.isUint8Array(value)) {
    return { fields: { "content-type": BYTES_TYPE }, body: Buffer.from(value) };
  }
  let hasLost = false;
  try {
    const text = JSON.stringify(value, function note(this: Record<string, unknown>, key, now) {
      // `now` is what `toJSON` made of it: of a Buffer, an object.
      const isHole = now === undefined && Array.isArray(this);
      hasLost ||= isHole || isLost(now) || ArrayBuffer.isView(this[key]);
      return now as unknown;
    }) as string | undefined;
    if (hasLost || text === undefined) return undefined;
    return { fields: { "content-type": JSON_TYPE }, body: Buffer.from(text) };
  } catch {
    return undefined; // A circle, or a BigInt.
  }
}

/** A value in the shape that it has once it was stored; as it is, if it cannot be. */
export function shapeOf(value: unknown): unknown {
  const encoded = encodeValue(value);
  return encoded === undefined ? value : decodeValue(encoded);
}

/** The value of a body: a new one each time, so that nobody changes another's. */
export function decodeValue({ fields, body }: Pick<Entry, "fields" | "body">): unknown {
  if (fields["content-type"] === BYTES_TYPE) return Buffer.from(body);
  return JSON.parse(body.toString("utf8")) as unknown;
}
