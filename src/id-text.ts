/** An id as text, for keys and variants. */

function hasOwnText(value: object): boolean {
  const { toString } = value as { toString?: unknown };
  return typeof toString === "function" && toString !== Object.prototype.toString;
}

/**
 * The text of a string, a finite number, a bigint, or an object with a `toString` of its own
 * (ObjectId); undefined for everything that identifies nobody.
 */
export function idText(id: unknown): string | undefined {
  if (typeof id === "string" || typeof id === "bigint") return String(id);
  if (typeof id === "number") return Number.isFinite(id) ? String(id) : undefined;
  if (typeof id !== "object" || id === null || Array.isArray(id) || id instanceof Date)
    return undefined;
  // Bytes have a text, but two of them may have the same one.
  if (ArrayBuffer.isView(id) || !hasOwnText(id)) return undefined;
  const text: unknown = (id as { toString(): string }).toString();
  return typeof text === "string" ? text : undefined;
}
