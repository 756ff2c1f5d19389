/** Reads a key that should hold text. */
import type { Connection } from "../../connection/port.ts";
import { KitError } from "../../errors.ts";

/** What stands in a key; of one that holds no text at all, an empty one. */
export async function textAt(connection: Connection, key: string): Promise<string | null> {
  try {
    return await connection.get(key);
  } catch (error) {
    if (error instanceof KitError && error.message.includes("WRONGTYPE")) return "";
    throw error;
  }
}
