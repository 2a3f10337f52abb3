// An issuer of OpenID Connect by `oidc-provider`, in which whoever comes is Eve, and consents.
//
// node issuer.mjs FOLDER_OF_THE_PACKAGE PORT REDIRECT_URI
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, port, redirectUri] = process.argv.slice(2);
const entry = createRequire(`${folder}/package.json`).resolve("oidc-provider");
const { Provider } = await import(pathToFileURL(entry));

const claims = { email: "eve@example.com", email_verified: true, preferred_username: "eve" };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "brain", client_secret: "hush hush", redirect_uris: [redirectUri] }],
  pkce: { required: () => true },
  claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["preferred_username"] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...claims }) }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  features: { devInteractions: { enabled: false } },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const { prompt, params, session } = await provider.interactionDetails(context.req, context.res);
  let result = { login: { accountId: "eve-1" } };
  if (prompt.name === "consent") {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope);
    result = { consent: { grantId: await grant.save() } };
  }
  const merged = { mergeWithLastSubmission: true };
  context.redirect(await provider.interactionResult(context.req, context.res, result, merged));
});

provider.listen(Number(port), "127.0.0.1", () => console.log("up"));
