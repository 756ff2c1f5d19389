/** Kits and apps for tests: made in a chosen environment, closed after each test. */
import { afterEach } from "@jest/globals";
import { createServer, type RequestListener, type Server } from "node:http";
import { once } from "node:events";
import { createKit, type Kit, type KitOptions } from "express-redis-kit";

/** What a kit logged. */
export interface Log {
  readonly lines: string[];
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

/** Gathers log lines, each with its level. */
export function createLog(): Log {
  const lines: string[] = [];
  return {
    lines,
    info: (line) => void lines.push(`info ${line}`),
    warn: (line) => void lines.push(`warn ${line}`),
    error: (line) => void lines.push(`error ${line}`),
  };
}

const kits: Kit[] = [];
const servers: Server[] = [];

afterEach(async () => {
  await Promise.all(kits.splice(0).map((kit) => kit.close()));
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
});

/** Runs `work` with other environment variables; an undefined one is taken away. */
export function withEnv<T>(env: Record<string, string | undefined>, work: () => T): T {
  const before = { ...process.env };
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  try {
    return work();
  } finally {
    process.env = before;
  }
}

/** A kit that is closed after the test. It logs nowhere unless told. */
export function makeKit(
  options: KitOptions = {},
  env: Record<string, string | undefined> = {},
): Kit {
  const kit = withEnv(env, () => createKit({ logger: createLog(), ...options }));
  kits.push(kit);
  return kit;
}

/** Serves a handler on a free loopback port until the test ends; answers its address. */
export async function serve(handler: RequestListener): Promise<string> {
  const server = createServer(handler).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  return `http://127.0.0.1:${port}`;
}
