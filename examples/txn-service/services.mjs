/**
 * The service that the outside world calls: it turns the caller's access token into a token for this one transaction,
 * and calls on with that. Access tokens go no further than here.
 *
 * @param {{ client: ReturnType<import("./txn-token.mjs").txnTokenClient>, stock: string }} options
 */
export const shop =
  ({ client, stock }) =>
  async (request, url) => {
    const item = url.searchParams.get("item") ?? "book";
    const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1];
    const txnToken = await client.txnToken(bearer ?? (await client.accessToken()), {
      scope: "stock:reserve",
      details: { action: "reserve", item },
      context: { caller: request.socket.remoteAddress },
    });
    const answer = await fetch(`${stock}/reserve?item=${encodeURIComponent(item)}`, {
      method: "POST",
      headers: { "txn-token": txnToken },
    });
    return { status: answer.status, body: await answer.json() };
  };

/**
 * A service deep inside: it believes the transaction token and nothing that its caller says beside it.
 *
 * @param {{ verify: ReturnType<import("./txn-token.mjs").txnTokenVerifier> }} options
 */
export const stock =
  ({ verify }) =>
  async (request, url) => {
    if (!request.headers["txn-token"]) return { status: 401, body: { error: "There is no Txn-Token." } };
    let claims;
    try {
      claims = await verify(request.headers["txn-token"], "stock:reserve");
    } catch (error) {
      console.log(`stock  refused: ${error.message}`);
      return { status: 401, body: { error: "The Txn-Token does not allow this." } };
    }
    const { txn, sub, act, req_wl, tctx } = claims;
    // The claims, never the token: whoever reads the log could use it until it ends.
    console.log(`stock  txn=${txn} sub=${sub} act=${act?.sub ?? "-"} req_wl=${req_wl} item=${tctx.item}`);
    if (tctx.item === url.searchParams.get("item"))
      return { status: 200, body: { reserved: tctx.item, txn } };
    return { status: 403, body: { error: `The transaction is about ${tctx.item}.` } };
  };
