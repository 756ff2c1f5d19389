/** A TCP proxy on loopback whose sockets can fall silent, as behind a firewall that forgot them. */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A proxy in front of one server. */
export interface TcpProxy {
  readonly port: number;
  /** Nothing passes any more on the sockets that are open now, and nobody is told; new ones work. */
  silence(): void;
  stop(): Promise<void>;
}

/** Starts a proxy in front of a port of loopback. */
export async function startProxy(to: number): Promise<TcpProxy> {
  const pairs = new Set<{ client: Socket; server: Socket; isSilent: boolean }>();
  const listener = createServer((client) => {
    const server = connect(to, "127.0.0.1");
    const pair = { client, server, isSilent: false };
    pairs.add(pair);
    const pass = (from: Socket, into: Socket): void => {
      from.on("data", (bytes) => {
        if (!pair.isSilent) into.write(bytes);
      });
      from.on("error", () => from.destroy());
      from.on("close", () => {
        if (pair.isSilent) return;
        pairs.delete(pair);
        into.destroy();
      });
    };
    pass(client, server);
    pass(server, client);
  });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  return {
    port: (listener.address() as { port: number }).port,
    silence: () => {
      for (const pair of pairs) pair.isSilent = true;
    },
    stop: async () => {
      for (const { client, server } of pairs) {
        client.destroy();
        server.destroy();
      }
      const closed = once(listener, "close");
      listener.close();
      await closed;
    },
  };
}
