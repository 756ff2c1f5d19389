/** Connections for tests: opened as a kit opens them, closed after each test. */
import { afterEach } from "@jest/globals";
import type { KitError, KitOptions } from "express-redis-kit";
import { resolveConfig } from "../../src/config.ts";
import { openConnection } from "../../src/connection/open.ts";
import type { Connection, ConnectionState } from "../../src/connection/port.ts";
import { createLog } from "./kit.ts";

/** A connection, and all that it reported. */
export interface Watched {
  readonly connection: Connection;
  readonly errors: KitError[];
  readonly states: ConnectionState[];
  readonly fallbacks: KitError[];
}

const opened: Connection[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((connection) => connection.close()));
});

/** Opens as production does, where no memory stands behind Redis, unless `env` says otherwise. */
export function openWatched(
  options: KitOptions,
  env: Record<string, string | undefined> = {},
): Watched {
  const config = resolveConfig(
    { logger: createLog(), ...options },
    { NODE_ENV: "production", ...env },
  );
  const watched = { errors: [], states: [], fallbacks: [] } as Omit<Watched, "connection">;
  const connection = openConnection(config, {
    connection: (state) => void watched.states.push(state),
    error: (error) => void watched.errors.push(error),
    fallback: (why) => void watched.fallbacks.push(why),
  });
  opened.push(connection);
  return { connection, ...watched };
}

/** The error that a promise rejects with; throws where it resolves. */
export async function rejection(work: Promise<unknown>): Promise<KitError> {
  try {
    await work;
  } catch (error) {
    return error as KitError;
  }
  throw new Error("It resolved.");
}

/** What a call throws, or undefined where it returns. */
export function caught(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The error that a call throws; throws where it returns. */
export function thrown(work: () => unknown): KitError {
  try {
    work();
  } catch (error) {
    return error as KitError;
  }
  throw new Error("It returned.");
}
