/** The whole stack, wherever Redis is: what kits that are apart would say. */
import { it } from "@jest/globals";
import { describeDeployments } from "../support/deployments.ts";
import { expectSame, serveBothWays, tellOf, type Way } from "../support/both-ways.ts";
import { toldSession } from "../support/stack.ts";

describeDeployments("limiter, session, second limiter and cache", (options) => {
  it("say together what they say apart", async () => {
    const ways = await serveBothWays({ ...options(), deadline: "10s" }, (kit) => [
      kit().rateLimit(),
      ...toldSession(kit()),
      kit().rateLimit("second", { limit: 12, algorithm: "token-bucket", window: "1h" }),
      kit().cache("brand:settings", { scope: "public", tags: ["brand:[id]"] }),
    ]);
    await expectSame(ways, play);
  });
});

/** Two users on two paths, one of them signed in anew on the way, until the second limiter refuses. */
async function play({ ask, signIn, rest }: Way): Promise<unknown[]> {
  const seen: unknown[] = [];
  const cookies = [await signIn("7"), await signIn("8"), undefined];
  for (let round = 0; round < 3; round++) {
    for (const path of ["/brands/456/settings", "/brands/7/settings"]) {
      for (const cookie of cookies) {
        seen.push(tellOf(await ask(cookie, { path })));
        await rest();
      }
    }
    if (round === 0) cookies[0] = await signIn("8"); // Ends the other one.
  }
  return seen;
}
