/** Room for properties of our own, and of Express's, on its requests and responses. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { KnownRequest } from "./request.ts";

const ROOMY: unique symbol = Symbol("express-redis-kit.roomy");

/** Properties that both have from the beginning, and that nobody reads before they are put back. */
const LENT = { request: "statusMessage", response: "sendDate" } as const;

/** Whether this V8 does what {@link makeRoomy} is against: 12.4 does (Node 22), 13.6 does not (Node 24). */
const COPIES = Number(process.versions.v8.split(".", 1)[0]) < 13;

/** V8 makes a table of an object that a property was deleted from, and leaves it one. */
function makeTable(object: object, name: string): void {
  const own = Object.getOwnPropertyDescriptor(object, name);
  // What somebody has made an accessor of, or has closed, stays as it is.
  if (own?.configurable !== true || !("value" in own)) return;
  Reflect.deleteProperty(object, name);
  Object.defineProperty(object, name, own);
}

/**
 * Express gives each request and response another prototype. From then on the V8 of Node 20 and 22 knows
 * the object by a hidden class of its own, and copies that with every property that is added: 1.5 kB and a
 * microsecond each, a dozen times a request. As a table an object takes a property for a tenth of that. A
 * request through the whole stack takes 103 µs of CPU instead of 170 (Node 20). Without Express there would
 * be no gain, and in Node 24, which copies nothing, a loss.
 */
export function makeRoomy(request: IncomingMessage, response: ServerResponse): void {
  const carrier = request as KnownRequest & { [ROOMY]?: true };
  if (!COPIES || carrier.app === undefined || carrier[ROOMY]) return;
  if (!Object.isExtensible(request) || !Object.isExtensible(response)) return;
  makeTable(request, LENT.request);
  makeTable(response, LENT.response);
  carrier[ROOMY] = true;
}
