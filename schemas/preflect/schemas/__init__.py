"""What a row is: every record that preflect reads, keeps or writes."""

from preflect.schemas.base import SCHEMA_VERSION, Identified, Schema, content_id
from preflect.schemas.grader import (
    ChoiceGrader,
    Constraint,
    ConstraintsGrader,
    GraderSpec,
    JsonSchemaGrader,
    NumberGrader,
    RegexGrader,
    StringGrader,
)
from preflect.schemas.manifest import CallCounts, ExportCounts, Manifest, StageCounts
from preflect.schemas.message import Conversation, Message, Role, ToolCall
from preflect.schemas.models import (
    ChatModelSpec,
    FaultRates,
    ModelSpec,
    OpenAIModel,
    PpmStudent,
    Price,
    SimModel,
    SimulatorRates,
    StudentSpec,
    TransformersStudent,
)
from preflect.schemas.recipe import ColumnPattern, ExportSpec, InputSpec, Limits, Recipe
from preflect.schemas.rows import DpoRow, KtoRow, RftRow, Row, SftRow
from preflect.schemas.sample import (
    Comparison,
    Critique,
    Grade,
    Instruction,
    Pair,
    Provenance,
    Rating,
    Rejection,
    Response,
    Review,
    Sample,
    Sampling,
    Selection,
    StudentScore,
    Verdict,
)
from preflect.schemas.stages import (
    AnyStage,
    Dedup,
    GradeStage,
    JudgeAspects,
    PairStage,
    ReflectInstruction,
    ReflectResponse,
    Respond,
    SelectInstruction,
    SelectResponse,
    SelfInstruct,
    StageSpec,
)

__all__ = [
    "SCHEMA_VERSION", "AnyStage", "CallCounts", "ChatModelSpec", "ChoiceGrader", "ColumnPattern", "Comparison",
    "Constraint", "ConstraintsGrader", "Conversation", "Critique", "Dedup", "DpoRow", "ExportCounts", "ExportSpec",
    "FaultRates", "Grade", "GradeStage", "GraderSpec", "Identified", "InputSpec", "Instruction", "JsonSchemaGrader",
    "JudgeAspects", "KtoRow", "Limits", "Manifest", "Message", "ModelSpec", "NumberGrader", "OpenAIModel", "Pair",
    "PairStage", "PpmStudent", "Price", "Provenance", "Rating", "Recipe", "ReflectInstruction", "ReflectResponse",
    "RegexGrader", "Rejection", "Respond", "Response", "Review", "RftRow", "Role", "Row", "Sample", "Sampling",
    "Schema", "SelectInstruction", "SelectResponse", "Selection", "SelfInstruct", "SftRow", "SimModel",
    "SimulatorRates", "StageCounts", "StageSpec", "StringGrader", "StudentScore", "StudentSpec", "ToolCall",
    "TransformersStudent", "Verdict", "content_id",
]
