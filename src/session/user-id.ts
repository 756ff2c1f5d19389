/** What may stand for a user in `login()` and in `user:[id]:sessions`. */
import { KitError } from "../errors.ts";
import { show } from "../validate.ts";

/** A non-empty string, a finite number, a bigint, or an object with a `toString` of its own (ObjectId). */
export type UserId = string | number | bigint | { toString(): string };

/** Texts that only a bug makes of a user. */
const ACCIDENTS = new Set(["undefined", "null", "NaN", "true", "false", "[object Object]"]);

function textOf(id: unknown): string | undefined {
  if (typeof id === "string" || typeof id === "bigint") return String(id);
  if (typeof id === "number") return Number.isFinite(id) ? String(id) : undefined;
  if (typeof id !== "object" || id === null || Array.isArray(id) || id instanceof Date)
    return undefined;
  // eslint-disable-next-line typescript/no-base-to-string -- the next line is that check
  return id.toString === Object.prototype.toString ? undefined : id.toString();
}

/**
 * The user's id as text.
 *
 * @throws KitError `INVALID_USER_ID`, so that no `user:undefined:sessions` can come to be.
 */
export function parseUserId(id: unknown): string {
  const text = textOf(id);
  if (typeof text === "string" && text.trim() !== "" && !ACCIDENTS.has(text)) return text;
  throw new KitError("INVALID_USER_ID", {
    message: `The user id is ${show(id)}, which identifies nobody.`,
    fix: "Pass the id of the user that was found: a non-empty string, a number, a bigint or an ObjectId (was an `await` forgotten?).",
  });
}
