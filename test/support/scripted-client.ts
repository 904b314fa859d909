import { inject } from "vitest";
import type { NewServer } from "./scripted-servers.ts";
import type { ServerReport } from "./server-report.ts";

/** A scripted server as a test inside workerd sees it. */
export type ScriptedServer = {
  port: number;
  report(): Promise<ServerReport>;
  release(): Promise<void>;
};

export async function startServer(wanted: NewServer): Promise<ScriptedServer> {
  const { id, port } = await ask<{ id: number; port: number }>("", {
    method: "POST",
    body: JSON.stringify(wanted),
  });
  return {
    port,
    report: () => ask<ServerReport>(`/${id}`),
    release: async () => void (await ask(`/${id}/release`, { method: "POST" })),
  };
}

async function ask<Answer>(path: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(inject("scriptedServers") + path, init);
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return await response.json<Answer>();
}
