"""A model that wants tools, asked through a door at which no person can be asked."""

from tests.aid.openai_door.conftest import Served
from tests.aid.tools.conftest import GREET
from tests.aid.turns.conftest import fixing
from tests.aid.turns.test_tools import hall, tools

from greenloop.aid.tools.scripted import ScriptedServer
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Reply, ToolUse

__all__ = ["hall", "tools"]


def test_what_may_write_is_refused_and_the_answer_comes(served: Served, hall: ScriptedServer) -> None:
    uses = (ToolUse("c1", "hall__greet", '{"who": "Ann"}'), ToolUse("c2", "hall__look", "{}"))
    model = ScriptedModel([Reply("", uses=uses), fixing("let x = 1 + 2")], takes_tools=True)
    served.world.use(model)
    with served.client() as client:
        answer = client.chat.completions.create(
            model=served.model, messages=[{"role": "user", "content": "make it compile"}]
        )
    assert "type-checks" in str(answer.choices[0].message.content)
    # only what the team calls read-only was offered, and called
    assert [spec.name for spec in model.requests[0].tools] == ["hall__look"]
    assert hall.calls == [("look", {})]
    refused, _ = (one.content for one in model.requests[1].messages if one.role == "tool")
    assert GREET.name in refused
    assert "does not answer approval/request" in refused
