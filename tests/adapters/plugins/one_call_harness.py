"""A harness for ``verifiers.v1`` that asks its model once, in this process: no package is fetched for a program."""

import httpx
import verifiers.v1 as vf


class OneCallHarnessConfig(vf.HarnessConfig):  # type: ignore[misc]  # the package is not where mypy runs
    """Nothing to set."""


class OneCallHarness(vf.Harness[OneCallHarnessConfig]):  # type: ignore[misc]
    """Sends the prompt through the rollout's endpoint, as any agent's program would."""

    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: vf.ModelContext,
        trace: vf.Trace,
        runtime: vf.Runtime,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: vf.TaskData,
    ) -> vf.ProgramResult:
        """Ask, and end."""
        body = {"model": ctx.model, "messages": [{"role": "user", "content": data.prompt}]}
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = await client.post(
                f"{endpoint}/chat/completions", json=body, headers={"Authorization": f"Bearer {secret}"}
            )
        return vf.ProgramResult(exit_code=0 if answer.is_success else 1, stdout=answer.text, stderr="")


__all__ = ["OneCallHarness"]
