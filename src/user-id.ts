/** What may stand for a user in `login()` and in `user:[id]:sessions`. */
import { KitError } from "./errors.ts";
import { idText } from "./id-text.ts";
import { show } from "./validate.ts";

/** An object that has its own idea of its text. */
export interface WithText {
  /** The id as text; Object's own `toString` does not count. */
  toString(): string;
}

/** A non-empty string, a finite number, a bigint, or an object with a `toString` of its own (ObjectId). */
export type UserId = string | number | bigint | WithText;

/** Texts that only a bug makes of a user. */
const ACCIDENTS = new Set(["undefined", "null", "NaN", "true", "false", "[object Object]"]);

/**
 * The user's id as text.
 *
 * @throws KitError `INVALID_USER_ID`, so that no `user:undefined:sessions` can come to be.
 */
export function parseUserId(id: unknown): string {
  const text = idText(id);
  if (text !== undefined && text.trim() !== "" && !ACCIDENTS.has(text)) return text;
  throw new KitError("INVALID_USER_ID", {
    message: `The user id is ${show(id)}, which identifies nobody.`,
    fix: "Pass the id of the user that was found: a non-empty string, a number, a bigint or an ObjectId (was an `await` forgotten?).",
  });
}
