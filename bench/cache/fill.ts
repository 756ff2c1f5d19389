/** Entries by the hundred thousand: requests through a cache and a handler, without a network in between. */
import { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import type { Kit, Middleware } from "../../src/index.ts";
import { until } from "../support/until.ts";

/** Values of each of the two tags. */
export const TAG_VALUES = 1000;

/** Every body ends with it, so that an entry is known by its bytes. */
export const MARK = "the end of an entry";

const BODY = `${"x".repeat(300 - MARK.length)}${MARK}`;

/** Requests that are under way at once. */
const WIDTH = 200;

/** How many responses may wait for being stored. */
const BACKLOG = 2000;

/** A client that takes everything and says nothing. */
class Nowhere extends Duplex {
  readonly remoteAddress = "127.0.0.1";
  setTimeout(): this {
    return this;
  }
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: string, done: () => void): void {
    done();
  }
}

/** The two tags of an item. */
export function tagsOf(id: number): [string, string] {
  return [`group:${id % TAG_VALUES}`, `owner:${Math.floor(id / TAG_VALUES) % TAG_VALUES}`];
}

/** What is filled, and asked. */
export interface Shop {
  /** Puts the items of these numbers into the cache. */
  fill(from: number, to: number): Promise<void>;
  /** Asks for an item; answers whether it was in the cache. */
  isHit(id: number): Promise<boolean>;
}

/** A request that went through the cache: its Cache-Status. */
async function ask(cache: Middleware, id: number): Promise<string> {
  const socket = new Nowhere() as unknown as Socket;
  const request = new IncomingMessage(socket);
  Object.assign(request, { method: "GET", url: `/items/${id}`, params: { id: String(id) } });
  request.headers.host = "bench.test";
  const response = new ServerResponse(request);
  response.assignSocket(socket);
  await new Promise<void>((resolve, reject) => {
    response.once("finish", resolve);
    cache(request, response, (error) => {
      if (error !== undefined) reject(error);
      else response.end(BODY);
    });
  });
  return String(response.getHeader("Cache-Status"));
}

/** Makes it. */
export function createShop(kit: Kit): Shop {
  const cache = kit.cache("item:[id]", {
    ttl: "1h",
    scope: "public",
    tags: (request) => tagsOf(Number(request.params["id"])),
  });
  let [stored, refused] = [0, 0];
  kit.on("cache", ({ outcome }) => {
    if (outcome === "stored") stored += 1;
    if (outcome === "refused") refused += 1;
  });
  return {
    fill: async (from, to) => {
      const before = stored;
      let next = from;
      const lane = async (): Promise<void> => {
        while (next < to) {
          const id = next++;
          await ask(cache, id);
          if (next - from - (stored - before) > BACKLOG) {
            await until(() => next - from - (stored - before) < BACKLOG / 2, "it is stored");
          }
        }
      };
      await Promise.all(Array.from({ length: WIDTH }, lane));
      await until(() => stored - before + refused >= to - from, "everything is stored");
      if (refused > 0) throw new Error(`${refused} responses were refused.`);
    },
    isHit: async (id) => (await ask(cache, id)).includes("; hit"),
  };
}
