/** Reads `.env.local` and `.env` of the working directory, as `npm start` does. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";

/** First wins: what is set is never overridden. */
const FILES = [".env.local", ".env"];

/** What was read. */
export interface LoadedEnvironment {
  /** Which file gave a variable; a variable that was set before is not listed. */
  readonly origin: ReadonlyMap<string, string>;
  /** Files that are there and could not be read, and why. */
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
}

/** Loads the files into `process.env`; missing ones are fine. */
export function loadEnvironment(folder: string = process.cwd()): LoadedEnvironment {
  const origin = new Map<string, string>();
  const unreadable: { file: string; reason: string }[] = [];
  for (const file of FILES) {
    const path = resolve(folder, file);
    if (!existsSync(path)) continue;
    const before = new Set(Object.keys(process.env));
    try {
      process.loadEnvFile(path);
    } catch (error) {
      const { code = "unknown reason" } = error as NodeJS.ErrnoException;
      unreadable.push({ file, reason: code });
    }
    for (const name of Object.keys(process.env)) if (!before.has(name)) origin.set(name, file);
  }
  return { origin, unreadable };
}
