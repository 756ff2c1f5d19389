/** What every connection must do with messages, or say that it has none. */
import { expect, it } from "@jest/globals";
import type { Connection } from "../../src/connection/port.ts";
import { rejection } from "./connections.ts";
import { listen } from "./listening.ts";
import { until } from "./redis-server.ts";

/**
 * Declares it. `open` answers the connection of the test. Each test has channels of its own, for what one
 * published may reach another node of a Cluster late.
 */
// oxlint-disable-next-line jest/no-export -- a suite that several files declare
export function declarePush(open: () => Connection): void {
  /** Undefined over REST, where there is no more to test. */
  const pushed = async (): Promise<Connection | undefined> => {
    const connection = open();
    await connection.ready();
    if (connection.push !== undefined) return connection;
    expect(connection.state().kind).toBe("rest");
    return undefined;
  };

  it("tells all who listen what is published, in order, whatever the text", async () => {
    const connection = await pushed();
    if (!connection) return;
    const [one, two, other] = [
      listen(connection, "all"),
      listen(connection, "all"),
      listen(connection, "all:else"),
    ];
    await until(() => [one, two, other].every((each) => each.isSubscribed()), "all are subscribed");
    const texts = ["", "a", "é\u{1F600}\r\n\0$5", "message", "x".repeat(100_000), "a"];
    await Promise.all(texts.map((text) => connection.push!.publish("all", text)));
    await until(() => two.messages().length === texts.length, "all have come");
    expect(one.told).toEqual(["subscribed", ...texts.map((text) => `>${text}`)]);
    expect(two.told).toEqual(one.told);
    expect(other.told).toEqual(["subscribed"]);
  });

  it("tells nobody who has left, and still those who stay", async () => {
    const connection = await pushed();
    if (!connection) return;
    const [leaver, stayer] = [listen(connection, "leaving"), listen(connection, "leaving")];
    await until(() => leaver.isSubscribed() && stayer.isSubscribed(), "both are subscribed");
    leaver.leave();
    leaver.leave();
    await connection.push!.publish("leaving", "1");
    await until(() => stayer.messages().length === 1, "it has come");
    stayer.leave();
    await connection.push!.publish("leaving", "2");
    const again = listen(connection, "leaving");
    await until(again.isSubscribed, "it is subscribed again");
    await connection.push!.publish("leaving", "3");
    // On a Cluster, what was published before may still come.
    await until(() => again.messages().includes("3"), "it has come");
    expect(leaver.told).toEqual(["subscribed"]);
    expect(stayer.told).toEqual(["subscribed", ">1"]);
    expect(again.told[0]).toBe("subscribed");
  });

  it("interrupts who listens when it is closed, once, and publishes no more", async () => {
    const connection = await pushed();
    if (!connection) return;
    const listening = listen(connection, "closing");
    await until(listening.isSubscribed, "it is subscribed");
    const closing = connection.close();
    const late = listen(connection, "closing:else");
    expect(listening.told).toEqual(["subscribed", "interrupted"]);
    expect(await rejection(connection.push!.publish("closing", "1"))).toMatchObject({
      code: "KIT_CLOSED",
      outcome: "notSent",
    });
    await closing;
    late.leave();
    expect(listening.told).toEqual(["subscribed", "interrupted"]);
    expect(late.told).toEqual([]);
  });
}
