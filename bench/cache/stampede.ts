/** How often a handler runs where a hundred ask at once for what nobody has stored yet. */
import { strict as assert } from "node:assert";
import { ask } from "../support/processes.ts";
import { get } from "./request.ts";
import { itemOf } from "./routes.ts";
import type { Usage } from "../support/measured-server.ts";
import type { Proven } from "./verify.ts";

const REQUESTS = 100;
/** As behind one balancer: by default, the kit's entries are their host's. */
const headers = { host: "shop.example" };

/** Spreads the requests over processes and answers how many reached a handler; all must get the response. */
export async function stampede(servers: readonly Proven[], id: string): Promise<number> {
  const calls = async (): Promise<number> => {
    const usages = await Promise.all(servers.map(({ child }) => ask<Usage>(child, "usage")));
    return usages.reduce((sum, usage) => sum + usage.calls, 0);
  };
  // Connections are open, and scripts loaded.
  const warm = servers.map(({ port }) => get(port, `/slow/${id}0`, { headers }));
  await Promise.all(warm);
  const before = await calls();
  const answers = await Promise.all(
    Array.from({ length: REQUESTS }, (_, n) =>
      get(servers[n % servers.length]!.port, `/slow/${id}`, { headers }),
    ),
  );
  for (const { status, body } of answers) {
    assert.equal(status, 200);
    assert.equal(body.toString(), JSON.stringify(itemOf(id)));
  }
  return (await calls()) - before;
}
