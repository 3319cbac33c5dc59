import { createHmac } from "node:crypto";
import { eq } from "drizzle-orm";
import type { AskedAct } from "@/db/schema/approvals";
import { deviceCodes } from "@/db/schema/device-codes";
import { type Context, inTransaction } from "@/lib/context";
import { hashSecret, newOpaqueId, newSecret } from "@/lib/ids";
import { userCodeFrom } from "@/lib/oauth/user-code";
import { deriveKey } from "@/lib/secret-key";
import { digestOf } from "./acts";
import { rulingOf } from "./approval-rules";
import { type Approval, findApproval, insertApproval } from "./approvals";
import type { Client } from "./clients";
import { record } from "./events";

export type IssuedDeviceCode = { deviceCode: string; userCode: string; interval: number; expiresIn: number };

/** Asks a question whose code a person types elsewhere; answers both codes, which are not stored (RFC 8628 §3.2). */
export async function createDeviceCode(
  ctx: Context,
  { client, act }: { client: Client; act: AskedAct },
): Promise<IssuedDeviceCode> {
  const deviceCode = newSecret("dc_");
  const expiresIn = ctx.settings.deviceCodeTtl;
  const { risk } = await rulingOf(ctx, act);
  const id = await newId(ctx);
  const userCode = userCodeOf(ctx, id);
  const interval = await inTransaction(ctx, async (tx) => {
    const approval = await insertApproval(tx, client, {
      ...{ id, kind: "device", act, digest: digestOf(client, act), risk },
      expiresAt: new Date(tx.now().getTime() + expiresIn * 1000),
    });
    await tx.db.insert(deviceCodes).values({
      codeHash: hashSecret(deviceCode),
      userCodeHash: hashUserCode(tx, userCode),
      approvalId: id,
      expiresAt: approval.expiresAt,
    });
    await record(tx, {
      type: "approval.requested",
      actor: `client:${client.clientId}`,
      subject: `approval:${id}`,
      clientId: client.clientId,
      data: { kind: "device", resource: act.resource, scope: act.scope, digest: approval.digest, risk },
      address: act.address,
    });
    return approval.interval;
  });
  return { deviceCode, userCode, interval, expiresIn };
}

/** An approval's id whose user code is no other's: among so few codes two may meet. */
async function newId(ctx: Context): Promise<string> {
  const id = newOpaqueId();
  return (await findByUserCode(ctx, userCodeOf(ctx, id))) ? newId(ctx) : id;
}

/** The code that a person types for an approval: whoever has the key can tell it, and the database cannot. */
export const userCodeOf = (ctx: Context, approvalId: string): string =>
  userCodeFrom(keyed(ctx, `of ${approvalId}`));

const hashUserCode = (ctx: Context, userCode: string): string =>
  keyed(ctx, `hash ${userCode}`).toString("base64url");

const keyed = ({ settings }: Context, text: string): Buffer =>
  createHmac("sha256", deriveKey(settings.secretKey, "user-code")).update(text).digest();

/** The question behind a user code, in whatever state. */
export const findByUserCode = (ctx: Context, userCode: string): Promise<Approval | undefined> =>
  findBy(ctx, eq(deviceCodes.userCodeHash, hashUserCode(ctx, userCode)));

/** The question behind a device code, in whatever state. */
export const findByDeviceCode = (ctx: Context, deviceCode: string): Promise<Approval | undefined> =>
  findBy(ctx, eq(deviceCodes.codeHash, hashSecret(deviceCode)));

async function findBy(ctx: Context, where: ReturnType<typeof eq>): Promise<Approval | undefined> {
  const [row] = await ctx.db.select({ id: deviceCodes.approvalId }).from(deviceCodes).where(where);
  return row && findApproval(ctx, row.id);
}
