/** A sign-in as another user: the id that it leaves is over, and the one that it gets is in one user's Set only. */
import { describe, expect, it } from "@jest/globals";
import { createMemory } from "../../src/connection/memory/memory.ts";
import { login } from "../../src/session/login.ts";
import { type App, startApp } from "../support/guard-process.ts";
import type { Mutate } from "../support/guard-mutants.ts";
import { until } from "../support/redis-server.ts";
import { faulty, gated } from "../support/wrapped.ts";

let count = 0;
const appOver: (connection: Parameters<Mutate>[0]) => App = (connection) =>
  startApp(connection, { genid: () => `id-${(count += 1)}` });

/** Whom a request with a session's cookie is let in as. */
async function who(app: App, id: string): Promise<string | undefined> {
  let user: string | undefined;
  await app(id, async ({ session }) => {
    user = session.userId;
  });
  return user;
}

describe("a user switch", () => {
  it("ends the former id, whichever one command is lost", async () => {
    for (let n = 1, isHit = true; isHit; n++) {
      const memory = createMemory();
      const app = appOver(memory);
      const first = await app(undefined, (request) => login(request, "7"));
      const broken = faulty(memory, n, "reply-lost");
      const second = await appOver(broken.target)(first.cookie!, async ({ session }) => {
        session.userId = "8";
      });
      isHit = broken.hit();
      if (second.status !== 200) continue;
      expect([n, await who(app, first.cookie!)]).toEqual([n, undefined]);
      expect(await who(app, second.cookie!)).toBe("8");
    }
  });

  it("after a regenerate is not ended by what ends the former user's sessions", async () => {
    const memory = createMemory();
    const app = appOver(memory);
    const first = await app(undefined, (request) => login(request, "7"));
    const gate = gated(memory, "srem");
    // As Passport signs in: regenerate, then the user.
    const switching = appOver(gate.target)(first.cookie!, async (request) => {
      await new Promise<void>((resolve) => request.session.regenerate(() => resolve()));
      request.session.userId = "8";
    });
    // It is in 8's Set by then, and about to leave 7's.
    await until(() => gate.waiting() > 0, "the switch leaves the former user's Set");
    const elsewhere = await app(undefined, (request) => login(request, "7"));
    gate.open();
    const second = await switching;
    expect(second.status).toBe(200);
    expect(await who(app, second.cookie!)).toBe("8");
    expect(await who(app, elsewhere.cookie!)).toBe("7");
  });
});
