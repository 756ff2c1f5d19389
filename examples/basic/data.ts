/** Stands for a database: two users, and brand settings that are slow to read. */
import { setTimeout as delay } from "node:timers/promises";

const PASSWORDS = new Map([
  ["demo", "demo"],
  ["ada", "ada"],
]);

/** The user whose name and password a login form or a JSON body holds. */
export function findUser(body: unknown): string | undefined {
  const { username, password } = (body ?? {}) as { username?: unknown; password?: unknown };
  if (typeof username !== "string" || typeof password !== "string") return undefined;
  return PASSWORDS.get(username) === password ? username : undefined;
}

/** A brand's settings. */
export interface Settings {
  id: string;
  color: string;
  /** How often the settings were read from the "database". */
  reads: number;
}

const colors = new Map<string, string>();
let reads = 0;

/** Takes 200 ms, so that a cache hit can be seen. */
export async function readSettings(id: string): Promise<Settings> {
  await delay(200);
  reads += 1;
  return { id, color: colors.get(id) ?? "teal", reads };
}

/** Stores a brand's color. */
export function writeSettings(id: string, body: unknown): Pick<Settings, "id" | "color"> {
  const { color } = (body ?? {}) as { color?: unknown };
  const chosen = typeof color === "string" && color !== "" ? color.slice(0, 40) : "teal";
  colors.set(id, chosen);
  return { id, color: chosen };
}
