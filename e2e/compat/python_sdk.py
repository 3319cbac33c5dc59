"""Drives every call of the Python SDK `authgent`, unmodified, against a running server in local mode.

Usage: python3 python_sdk.py SERVER_URL [CLIENT_ID CLIENT_SECRET REFRESH_TOKEN]

The SDK is wherever PYTHONPATH says. The last three arguments are a confidential client and the refresh
token that a person gave it; the server then runs with AUTHGENT_DELEGATION_ROOT_IN_ACT=true, and a person
answers what agents ask: yes to db:delete, no to db:drop. Without them only the refusal of a wrong refresh
token is checked, and nobody is asked. Prints one line for each check, and ends with 1 at the first that does
not hold.
"""

import asyncio
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from authgent import (
    AgentAuthClient,
    DelegationError,
    DPoPClient,
    DPoPError,
    InvalidTokenError,
    ServerError,
    verify_delegation_chain,
    verify_dpop_proof,
    verify_token,
)
from authgent.adapters.langchain import AuthgentToolWrapper
from authgent.adapters.mcp import AgentAuthProvider
from authgent.adapters.protected_resource import ProtectedResourceMetadata
from authgent.jwks import JWKSFetcher
from authgent.middleware.scope_challenge import ScopeChallengeHandler, StepUpDeniedError

passed = 0


def check(title, actual, expected=True):
    """Counts a check that holds; ends the program at one that does not."""
    global passed
    if actual != expected:
        print(f"not ok {passed + 1} - {title}: expected {expected!r}, got {actual!r}")
        sys.exit(1)
    passed += 1
    print(f"ok {passed} - {title}")


async def error_of(awaitable, kind):
    """The error that a call ends with; a call that succeeds ends the program."""
    try:
        await awaitable
    except kind as error:
        return error
    return None


async def refused(title, awaitable, code):
    """A ServerError of the SDK carries the answer of the server as text."""
    error = await error_of(awaitable, ServerError)
    check(title, error is not None and f'"error":"{code}"' in error.message)


def chain_error(chain, **rules):
    try:
        verify_delegation_chain(chain, **rules)
    except DelegationError as error:
        return error.error_code
    return None


async def registration(sdk):
    """Registers the agents of the story: an orchestrator, and three it delegates to, each with less."""
    orchestrator = await sdk.register_agent(
        "orchestrator",
        scopes=["search:run", "db:read", "db:write"],
        owner="research",
        capabilities=["planning"],
    )
    search = await sdk.register_agent("search", scopes=["search:run", "db:read"])
    database = await sdk.register_agent("database", scopes=["db:read"])
    reader = await sdk.register_agent("reader", scopes=["db:read"])
    check("register_agent: the name is the one that was sent", orchestrator.name, "orchestrator")
    check("register_agent: client_id is agnt_ and 22 characters", orchestrator.client_id[:5], "agnt_")
    check("register_agent: client_secret is sec_ and 43 characters", len(orchestrator.client_secret), 47)
    check("register_agent: id is a ULID", len(orchestrator.id), 26)
    check(
        "register_agent: each agent is another",
        len({a.client_id for a in (orchestrator, search, database, reader)}),
        4,
    )
    await refused("register_agent: no name is refused", sdk.register_agent(""), "validation_failed")
    return orchestrator, search, database, reader


async def own_token(sdk, server, agent):
    token = await sdk.get_token(agent.client_id, agent.client_secret)
    check("get_token: without scope, all that is registered", token.scope, "search:run db:read db:write")
    token = await sdk.get_token(agent.client_id, agent.client_secret, scope="search:run db:read")
    check("get_token: the type is Bearer", token.token_type, "Bearer")
    check("get_token: it lives for 900 seconds", token.expires_in, 900)
    check("get_token: the scope is the one asked for", token.scope, "search:run db:read")
    check("get_token: an agent of its own right gets no refresh token", token.refresh_token, None)
    addressed = await sdk.get_token(agent.client_id, agent.client_secret, resource="https://api.example.com/")
    identity = await verify_token(addressed.access_token, server, audience="https://api.example.com/")
    check("get_token: resource becomes the audience", identity.audience, "https://api.example.com/")
    await refused("get_token: a wrong secret", sdk.get_token(agent.client_id, "wrong"), "invalid_client")
    await refused("get_token: no secret", sdk.get_token(agent.client_id, ""), "invalid_client")
    await refused(
        "get_token: more scope than is registered",
        sdk.get_token(agent.client_id, agent.client_secret, scope="db:drop"),
        "invalid_scope",
    )
    return token.access_token


async def verification(server, agent, token):
    identity = await verify_token(token, server, audience=server)
    check("verify_token: subject", identity.subject, f"client:{agent.client_id}")
    check("verify_token: client_id", identity.client_id, agent.client_id)
    check("verify_token: scopes", identity.scopes, ["search:run", "db:read"])
    check("verify_token: audience is one string", identity.audience, server)
    check("verify_token: lifetime", identity.claims.exp - identity.claims.iat, 900)
    check("verify_token: jti", bool(identity.claims.jti))
    check("verify_token: nobody delegated yet", identity.delegation_chain.depth, 0)
    elsewhere = await error_of(
        verify_token(token, server, audience="https://other.example.com"), InvalidTokenError
    )
    check("verify_token: another audience is refused", elsewhere is not None)
    head, payload, signature = token.split(".")
    forged = ".".join([head, payload, ("A" if signature[0] != "A" else "B") + signature[1:]])
    check(
        "verify_token: another signature is refused",
        await error_of(verify_token(forged, server), InvalidTokenError) is not None,
    )


async def keys(server):
    fetcher = JWKSFetcher(server)
    published = await fetcher.get_all_keys()
    check("JWKSFetcher: there is a key", len(published) >= 1)
    for kid, key in published.items():
        check(
            f"JWKSFetcher: key {kid} is P-256 for ES256",
            (key["kty"], key["crv"], key["alg"]),
            ("EC", "P-256", "ES256"),
        )
        check(f"JWKSFetcher: key {kid} has no private part", "d" in key, False)
        check(f"JWKSFetcher: key {kid} is found by its id", await fetcher.get_key(kid), key)
    check(
        "JWKSFetcher: an unknown key is refused",
        await error_of(fetcher.get_key("unknown"), InvalidTokenError) is not None,
    )


async def three_hops(sdk, server, root, agents):
    """orchestrator → search → database → reader: each exchanges what the one before holds."""
    orchestrator, search, database, reader = agents
    hops = [
        (search, "agent:search", ["search:run", "db:read"]),
        (database, "agent:database", ["db:read"]),
        (reader, "https://records.example.com", None),
    ]
    tokens, actors = [root], []
    for depth, (agent, audience, scopes) in enumerate(hops, start=1):
        answer = await sdk.check_exchange(tokens[-1], audience, agent.client_id, scope=" ".join(scopes or []))
        check(f"check_exchange: hop {depth} would be allowed", answer["allowed"])
        check(f"check_exchange: hop {depth} has no reasons against it", answer["reasons"], [])
        check(
            f"check_exchange: hop {depth} says the depth it starts from",
            answer["delegation_depth"],
            depth - 1,
        )
        check(f"check_exchange: hop {depth} says how deep it may go", answer["max_delegation_depth"], 5)
        check(
            f"check_exchange: hop {depth} says the scope", answer["effective_scopes"], scopes or ["db:read"]
        )
        result = await sdk.exchange_token(
            tokens[-1], audience, scopes, client_id=agent.client_id, client_secret=agent.client_secret
        )
        check(f"exchange_token: hop {depth} is a bearer token", result.token_type, "Bearer")
        check(f"exchange_token: hop {depth} says its scope", result.scope, " ".join(scopes or ["db:read"]))
        check(f"exchange_token: hop {depth} lives at most 300 seconds", 0 < result.expires_in <= 300)
        actors.insert(0, {"sub": f"client:{agent.client_id}"})
        identity = await verify_token(result.access_token, server, audience=audience)
        check(
            f"verify_token: hop {depth} is still for the orchestrator",
            identity.subject,
            f"client:{orchestrator.client_id}",
        )
        check(
            f"verify_token: hop {depth} names every actor, the newest first",
            identity.delegation_chain.actors,
            actors,
        )
        tokens.append(result.access_token)

    chain = identity.delegation_chain
    check("verify_delegation_chain: three hops pass", verify_delegation_chain(chain), chain)
    check(
        "verify_delegation_chain: the actors are known",
        chain_error(chain, allowed_actors=[a["sub"] for a in actors]),
        None,
    )
    check(
        "verify_delegation_chain: an unknown actor",
        chain_error(chain, allowed_actors=["client:other"]),
        "unauthorized_actor",
    )
    check("verify_delegation_chain: too deep", chain_error(chain, max_depth=2), "delegation_depth_exceeded")
    check(
        "verify_delegation_chain: no person started it",
        chain_error(chain, require_human_root=True),
        "no_human_root",
    )
    check("DelegationChain: has_actor", chain.has_actor(f"client:{search.client_id}"))
    return tokens


async def escalation(sdk, tokens, agents):
    """Nobody gets more than what they were handed."""
    orchestrator, search, database, _ = agents
    answer = await sdk.check_exchange(tokens[1], "agent:database", database.client_id, scope="db:write")
    check("check_exchange: more scope would be refused", answer["allowed"], False)
    check("check_exchange: and it says why", len(answer["reasons"]) >= 1)
    await refused(
        "exchange_token: more scope is refused",
        sdk.exchange_token(
            tokens[1], "agent:database", ["db:write"], database.client_id, database.client_secret
        ),
        "invalid_scope",
    )
    await refused(
        "exchange_token: a wrong secret is refused",
        sdk.exchange_token(tokens[0], "agent:search", ["db:read"], search.client_id, "wrong"),
        "invalid_client",
    )
    await refused(
        "exchange_token: a subject token that is none is refused",
        sdk.exchange_token(
            "not.a.token", "agent:search", ["db:read"], search.client_id, search.client_secret
        ),
        "invalid_request",
    )
    deepest = tokens[-1]
    for agent in (search, database):
        result = await sdk.exchange_token(deepest, "agent:next", None, agent.client_id, agent.client_secret)
        deepest = result.access_token
    error = await error_of(
        sdk.exchange_token(deepest, "agent:next", None, search.client_id, search.client_secret), ServerError
    )
    check(
        "exchange_token: the sixth hop is refused by name",
        error is not None and "delegation_depth_exceeded" in error.message,
    )


async def inspection(sdk, server, tokens, agents):
    orchestrator, search, database, reader = agents
    for answer in (
        await sdk.introspect_token(tokens[-1]),
        await sdk.introspect_token(tokens[-1], orchestrator.client_id, orchestrator.client_secret),
    ):
        shown = {
            name: answer[name] for name in ("active", "sub", "client_id", "scope", "iss", "token_type", "aud")
        }
        check(
            "introspect_token: what the token says",
            shown,
            {
                "active": True,
                "sub": f"client:{orchestrator.client_id}",
                "client_id": reader.client_id,
                "scope": "db:read",
                "iss": server,
                "token_type": "Bearer",
                "aud": "https://records.example.com",
            },
        )
        check(
            "introspect_token: the chain", answer["act"]["act"]["act"], {"sub": f"client:{search.client_id}"}
        )
        check("introspect_token: when it was issued and ends", 0 < answer["exp"] - answer["iat"] <= 300)
    check(
        "introspect_token: what is no token is inactive, and nothing else",
        await sdk.introspect_token("none"),
        {"active": False},
    )
    await refused(
        "introspect_token: a wrong secret",
        sdk.introspect_token(tokens[-1], orchestrator.client_id, "wrong"),
        "invalid_client",
    )


async def revocation(sdk, tokens, agents):
    """The root is revoked: everything that came of it ends with it."""
    orchestrator, search, _, reader = agents
    await refused(
        "revoke_token: a wrong secret",
        sdk.revoke_token(tokens[0], orchestrator.client_id, "wrong"),
        "invalid_client",
    )
    await sdk.revoke_token(tokens[0], reader.client_id, reader.client_secret)
    check(
        "revoke_token: who only received cannot take the root back",
        (await sdk.introspect_token(tokens[0]))["active"],
    )
    check(
        "revoke_token: the root",
        await sdk.revoke_token(tokens[0], orchestrator.client_id, orchestrator.client_secret),
        None,
    )
    for hop, token in enumerate(tokens):
        check(
            f"revoke_token: after it, hop {hop} is inactive",
            await sdk.introspect_token(token),
            {"active": False},
        )
    check(
        "revoke_token: again changes nothing",
        await sdk.revoke_token(tokens[0], orchestrator.client_id, orchestrator.client_secret),
        None,
    )
    answer = await sdk.check_exchange(tokens[0], "agent:search", search.client_id, scope="db:read")
    check("check_exchange: a revoked token is not exchanged", answer["allowed"], False)
    await refused(
        "exchange_token: a revoked token is not exchanged",
        sdk.exchange_token(tokens[0], "agent:search", ["db:read"], search.client_id, search.client_secret),
        "invalid_request",
    )


async def adapters(server, agent):
    provider = AgentAuthProvider(server + "/", audience=server)
    wrapper = AuthgentToolWrapper(server, agent.client_id, agent.client_secret, scope="db:read")
    token = await wrapper.get_token()
    identity = await provider.verify(token.access_token)
    check("AgentAuthProvider: verify", identity.subject, f"client:{agent.client_id}")
    check("AuthgentToolWrapper: a token is asked for once", await wrapper.get_token(), token)
    headers = await wrapper.get_auth_headers(resource="https://tool.example.com")
    delegated = await verify_token(
        headers["Authorization"].removeprefix("Bearer "), server, audience="https://tool.example.com"
    )
    check(
        "AuthgentToolWrapper: a tool gets a token for itself alone",
        delegated.audience,
        "https://tool.example.com",
    )
    check(
        "AuthgentToolWrapper: an agent that exchanges its own token is no hop",
        delegated.delegation_chain.depth,
        0,
    )
    await wrapper.revoke()
    async with AgentAuthClient(server) as sdk:
        check(
            "AuthgentToolWrapper: revoke ends it",
            await sdk.introspect_token(token.access_token),
            {"active": False},
        )
    async with httpx.AsyncClient() as http:
        metadata = (await http.get(provider.metadata_url)).json()
        check("AgentAuthProvider: metadata_url answers for the issuer", metadata["issuer"], server)
        check(
            "AgentAuthProvider: jwks_url is the one of the metadata", provider.jwks_url, metadata["jwks_uri"]
        )
        served = (await http.get(f"{server}/.well-known/oauth-protected-resource")).json()
    made = ProtectedResourceMetadata(
        resource=server, authorization_servers=[server], scopes_supported=["db:read"]
    )
    for member in ("resource", "authorization_servers", "bearer_methods_supported"):
        check(
            f"ProtectedResourceMetadata: {member} is as this server says it",
            made.to_dict()[member],
            served[member],
        )
    check("ProtectedResourceMetadata: to_json", json.loads(made.to_json()), made.to_dict())


def bound_token(server, client):
    """The SDK has no call for it: its proof goes into the header of a plain request, as its documentation shows."""
    agent = httpx.post(f"{server}/agents", json={"name": "bound", "allowed_scopes": ["mcp:tools"]}).json()
    form = {
        "grant_type": "client_credentials",
        "client_id": agent["client_id"],
        "client_secret": agent["client_secret"],
        "resource": f"{server}/mcp",
    }
    proof = client.create_proof("POST", f"{server}/token")
    token = httpx.post(f"{server}/token", data=form, headers={"DPoP": proof}).json()
    check("DPoPClient: its proof gets a bound token", token["token_type"], "DPoP")
    initialize = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "sdk", "version": "1"},
        },
    }
    accept = {"accept": "application/json, text/event-stream"}
    held = client.create_proof_headers(token["access_token"], "POST", f"{server}/mcp")
    stolen = {"authorization": f"Bearer {token['access_token']}"}
    for title, headers, status in (
        ("lets the holder of the key in", held, 200),
        ("and nobody else", stolen, 401),
    ):
        answer = httpx.post(f"{server}/mcp", json=initialize, headers={**headers, **accept})
        check(f"DPoPClient: the token {title}", answer.status_code, status)


def dpop(server):
    """Proofs that the SDK makes bind tokens here, and are judged by the SDK as well."""
    client = DPoPClient()
    bound_token(server, client)
    claims = {"cnf": {"jkt": client.jkt}}
    proof = client.create_proof("POST", f"{server}/token", nonce="n-1")
    judged = verify_dpop_proof(claims, proof, "POST", f"{server}/token")
    check(
        "DPoPClient: a proof is verified",
        (judged["htm"], judged["nonce"], judged["jkt"]),
        ("POST", "n-1", client.jkt),
    )
    headers = client.create_proof_headers("a-token", "GET", "https://api.example.com/")
    check(
        "DPoPClient: headers carry the token and its proof",
        (headers["Authorization"], bool(headers["DPoP"])),
        ("DPoP a-token", True),
    )
    for title, wrong in {
        "another key": ({"cnf": {"jkt": DPoPClient().jkt}}, "POST", f"{server}/token"),
        "another method": (claims, "GET", f"{server}/token"),
        "another address": (claims, "POST", f"{server}/revoke"),
    }.items():
        try:
            verify_dpop_proof(wrong[0], proof, wrong[1], wrong[2])
            refusal = None
        except DPoPError as error:
            refusal = error.error_code
        check(f"verify_dpop_proof: {title} is refused", refusal, "dpop_error")


async def refreshing(sdk, server, agent, held):
    """A person's refresh token rotates; what it gives can be delegated, and the chain starts at the person."""
    await refused(
        "refresh_token: a wrong one is refused",
        sdk.refresh_token(
            "rt_wrong", held[0] if held else agent.client_id, held[1] if held else agent.client_secret
        ),
        "invalid_grant" if held else "unauthorized_client",
    )
    if not held:
        return
    client_id, client_secret, value = held
    first = await sdk.refresh_token(value, client_id, client_secret)
    check("refresh_token: a bearer token", first.token_type, "Bearer")
    check(
        "refresh_token: the next one is another",
        first.refresh_token.startswith("rt_") and first.refresh_token != value,
    )
    second = await sdk.refresh_token(first.refresh_token, client_id, client_secret)
    identity = await verify_token(second.access_token, server)
    check("refresh_token: it is the person's", identity.subject.startswith("user:"))
    delegated = await sdk.exchange_token(
        second.access_token, "agent:search", None, agent.client_id, agent.client_secret
    )
    chain = (await verify_token(delegated.access_token, server)).delegation_chain
    actor = {"sub": f"client:{agent.client_id}"}
    check(
        "verify_delegation_chain: it starts at the person", chain.actors, [actor, {"sub": identity.subject}]
    )
    check(
        "verify_delegation_chain: a person is required, and there",
        chain_error(chain, require_human_root=True),
        None,
    )
    await sdk.revoke_token(second.refresh_token, client_id, client_secret)
    for title, token in {"access": second.access_token, "delegated": delegated.access_token}.items():
        check(
            f"revoke_token: a refresh token ends its {title} token",
            await sdk.introspect_token(token),
            {"active": False},
        )
    await refused(
        "refresh_token: after that it is refused",
        sdk.refresh_token(second.refresh_token, client_id, client_secret),
        "invalid_grant",
    )


def tool(server):
    """A resource that wants a scope for each path, /db:delete for one, and challenges who has it not (RFC 6750)."""

    class Tool(BaseHTTPRequestHandler):
        def do_GET(self):
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            seen = httpx.post(f"{server}/introspect", data={"token": token}).json()
            here = f"http://127.0.0.1:{self.server.server_port}"
            needed = self.path.removeprefix("/")
            good = seen.get("active") and seen["aud"].rstrip("/") == here
            if good and needed in seen["scope"].split():
                self.send_response(200)
            elif good:
                self.send_response(403)
                challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
                self.send_header("WWW-Authenticate", challenge)
            else:
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Bearer")
            self.end_headers()

        def log_message(self, *_):
            """What it is asked is no output of this program."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Tool)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{listening.server_port}"


async def step_up(sdk, server):
    """A tool challenges for more scope; the handler of the SDK asks, a person answers, and the token is used."""
    agent = await sdk.register_agent("cleaner", scopes=["db:read"])
    url = tool(server)
    own = (
        await sdk.get_token(agent.client_id, agent.client_secret, scope="db:read", resource=url)
    ).access_token
    handler = ScopeChallengeHandler(server, hitl_scopes=["db:delete", "db:drop"], poll_interval=0.5, timeout=30)

    def call(scope, token):
        return httpx.get(f"{url}/{scope}", headers={"Authorization": f"Bearer {token}"})

    def handled(scope):
        response = call(scope, own)
        check(f"ScopeChallengeHandler: {scope} is challenged", handler.is_scope_challenge(response))
        chain = [{"sub": f"client:{agent.client_id}"}]
        return handler.handle_challenge(response, agent.client_id, url, chain, own)

    check("ScopeChallengeHandler: what the token allows is no challenge", call("db:read", own).status_code, 200)
    result = await handled("db:delete")
    check("ScopeChallengeHandler: the person said yes", result.status, "approved")
    check(
        "ScopeChallengeHandler: the token does what was refused",
        call("db:delete", result.step_up_token).status_code,
        200,
    )
    check(
        "ScopeChallengeHandler: and nothing else", call("db:drop", result.step_up_token).status_code, 403
    )
    identity = await verify_token(result.step_up_token, server, audience=url)
    check("verify_token: a step-up token is the agent's", identity.subject, f"client:{agent.client_id}")
    check("verify_token: it has what was approved", identity.scopes, ["db:delete"])
    check("verify_token: it lives for 300 seconds", identity.claims.exp - identity.claims.iat, 300)
    denied = await error_of(handled("db:drop"), StepUpDeniedError)
    check("ScopeChallengeHandler: the person said no", denied is not None)
    await by_hand(sdk, agent, own)


async def by_hand(sdk, agent, token):
    asked = await sdk.request_stepup(
        agent.client_id,
        "delete_rows",
        "db:delete",
        delegation_chain={"actors": [agent.client_id]},
        metadata={"rows": 3},
    )
    check("request_stepup: it waits", asked["status"], "pending")
    check("request_stepup: what was sent is echoed", (asked["agent_id"], asked["scope"]), (agent.client_id, "db:delete"))
    while (seen := await sdk.check_stepup(asked["id"]))["status"] == "pending":
        await asyncio.sleep(0.5)
    check("check_stepup: the person said yes", seen["status"], "approved")
    check("check_stepup: without the token, which goes to who proves to be the agent", "step_up_token" in seen, False)
    asked = await sdk.request_stepup_for_token(token, "drop_table", "db:drop")
    check("request_stepup_for_token: for the client of the token", asked["agent_id"], agent.client_id)
    await refused("request_stepup: an unknown agent", sdk.request_stepup("agent:nobody", "x", "db:read"), "not_found")
    await refused("check_stepup: an unknown id", sdk.check_stepup("unknown"), "not_found")


async def main(server, held):
    async with AgentAuthClient(server) as sdk:
        agents = await registration(sdk)
        root = await own_token(sdk, server, agents[0])
        await keys(server)
        await verification(server, agents[0], root)
        tokens = await three_hops(sdk, server, root, agents)
        await escalation(sdk, tokens, agents)
        await inspection(sdk, server, tokens, agents)
        await revocation(sdk, tokens, agents)
        await adapters(server, agents[2])
        dpop(server)
        await refreshing(sdk, server, agents[2], held)
        if held:
            await step_up(sdk, server)
    print(f"1..{passed}")


asyncio.run(main(sys.argv[1], sys.argv[2:5]))
