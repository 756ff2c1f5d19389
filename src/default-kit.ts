/** The kit behind the bare functions: one a process, made at first use, shared by all copies of the package. */
import { createKit, type Kit } from "./kit.ts";
import { MAJOR } from "./version.ts";

/** An ESM and a CommonJS copy are two modules, but they have one `globalThis`. */
const PLACE: unique symbol = Symbol.for(`express-redis-kit@${MAJOR}`) as never;

/** Ends the default kit's connection, if there is one; the next use makes a new kit. */
export async function closeDefaultKit(): Promise<void> {
  const place = globalThis as { [PLACE]?: Kit | undefined };
  const kit = place[PLACE];
  place[PLACE] = undefined;
  await kit?.close();
}

/** The default kit, made from the environment when it is first asked for. */
export function defaultKit(): Kit {
  const place = globalThis as { [PLACE]?: Kit | undefined };
  place[PLACE] ??= createKit();
  return place[PLACE];
}
