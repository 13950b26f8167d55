"""Transcripts at providers with formats of their own: what they are sent, and what callers get."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from openai.types.audio import (
    TranscriptionDiarized,
    TranscriptionTextDeltaEvent,
    TranscriptionTextDoneEvent,
    TranscriptionVerbose,
)
from openai.types.audio.transcription import Transcription

from nagara.dialects.answer_stream import AnswerStream
from nagara.dialects.exchange import Aim
from nagara.dialects.images.pictures import name_place
from nagara.dialects.transcripts import Form, open_transcript, open_translation
from nagara.dialects.transcripts.exchange import TranscriptExchange
from nagara.dialects.transcripts.transcript import Word, group_words
from nagara.domain.errors import ErrorKind, GatewayError
from nagara.domain.usage import Meter
from nagara.operations import ENDPOINTS

TRANSCRIPTIONS = ENDPOINTS["/v1/audio/transcriptions"]
BOUND = 2**20
SEED = "0123456789abcdef"
FILE = {"name": "a.wav", "media_type": "audio/x", "bytes": 100, "ms": 2_500, "container": "wav"}
TEXT = "It is said. And heard!"


def open_exchange(
    form: Form,
    model: str = "theirs",
    *,
    is_translation: bool = False,
    file_bytes_max: int | None = None,
    container: str = "wav",
    granularities: Sequence[str] = (),
    **fields: Any,
) -> TranscriptExchange:
    file = {**FILE, "container": container}
    body = {"model": "ours", "file": file, **fields}
    if granularities:
        body["timestamp_granularities[]"] = granularities
    view = TRANSCRIPTIONS.read_request(json.dumps(body).encode())
    to = Aim(
        provider="They",
        model=model,
        caller_model="ours",
        seed=SEED,
        form=form,
        file_bytes_max=file_bytes_max,
    )
    return (open_translation if is_translation else open_transcript)(view, to)


def sent(exchange: TranscriptExchange) -> Any:
    return json.loads(exchange.body)


def read(exchange: TranscriptExchange, answer: Any) -> Any:
    body = exchange.read(json.dumps(answer).encode()).body
    return json.loads(body) if exchange.media_type == b"application/json" else body.decode()


def play(stream: AnswerStream, *answers: Any, is_events: bool = True) -> list[Any]:
    said = b""
    for answer in answers:
        data = json.dumps(answer).encode()
        said += stream.feed(b"data: " + data + b"\n\n" if is_events else data)
        if stream.is_ended:
            break
    said += stream.terminator() if stream.is_ended else stream.close()
    return [json.loads(line[6:]) for line in said.splitlines() if line]


def word(text: str, start: float, end: float, **more: Any) -> dict[str, Any]:
    return {"text": text, "start": start, "end": end, "type": "word", "logprob": -0.5, **more}


SPACE = {"text": " ", "start": 0.0, "end": 0.0, "type": "spacing", "logprob": 0.0}
SCRIBE = {
    "language_code": "eng",
    "language_probability": 0.9,
    "text": TEXT,
    "audio_duration_secs": 2.4,
    "words": [
        word("It", 0, 0.2, speaker_id="speaker_0"), SPACE,
        word("is", 0.2, 0.4, speaker_id="speaker_0"), SPACE,
        word("said.", 0.4, 1, speaker_id="speaker_0"), SPACE,
        word("And", 1.2, 1.4, speaker_id="speaker_1"), SPACE,
        word("heard!", 1.4, 2, speaker_id="speaker_1"),
    ],
}  # fmt: skip
SRT = (
    "1\n00:00:00,000 --> 00:00:01,000\nIt is said.\n\n"
    "2\n00:00:01,200 --> 00:00:02,000\nAnd heard!\n\n"
)
VTT = (
    "WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nIt is said.\n\n"
    "00:00:01.200 --> 00:00:02.000\nAnd heard!\n\n"
)
DURATION = {"type": "duration", "seconds": 3}


# ElevenLabs


def test_scribe_is_asked_for_speech_alone() -> None:
    exchange = open_exchange(
        Form.ELEVENLABS, "scribe_v2", language="en", temperature="0.2", prompt="A prompt."
    )
    assert sent(exchange) == {
        "model_id": "scribe_v2",
        "language_code": "en",
        "temperature": "0.2",
        "timestamps_granularity": "none",
        "tag_audio_events": "false",
    }
    assert exchange.dropped == ("prompt",)
    assert exchange.sends_form


@pytest.mark.parametrize("answer_format", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_scribe_is_asked_for_times_where_they_are_shown(answer_format: str) -> None:
    asked = sent(open_exchange(Form.ELEVENLABS, response_format=answer_format))
    assert asked["timestamps_granularity"] == "word"
    assert asked.get("diarize") == ("true" if answer_format == "diarized_json" else None)


@pytest.mark.parametrize(
    ("answer_format", "body", "media_type"),
    [
        ("json", {"text": TEXT, "usage": DURATION}, b"application/json"),
        ("text", TEXT + "\n", b"text/plain; charset=utf-8"),
        ("srt", SRT, b"text/plain; charset=utf-8"),
        ("vtt", VTT, b"text/plain; charset=utf-8"),
    ],
)
def test_scribe_is_told_in_every_format(answer_format: str, body: Any, media_type: bytes) -> None:
    exchange = open_exchange(Form.ELEVENLABS, response_format=answer_format)
    assert exchange.media_type == media_type
    assert read(exchange, SCRIBE) == body
    usage = exchange.read(json.dumps(SCRIBE).encode()).usage
    assert usage is not None
    assert usage.quantities == {Meter.AUDIO_MS: 2_400}


def test_scribe_is_told_at_length() -> None:
    exchange = open_exchange(
        Form.ELEVENLABS,
        response_format="verbose_json",
        granularities=["word", "segment"],
    )
    said = read(exchange, SCRIBE)
    typed = TranscriptionVerbose.model_validate(said, strict=True)
    assert (typed.language, typed.duration, typed.text) == ("eng", 2.4, TEXT)
    assert typed.segments is not None
    assert [x.text for x in typed.segments] == ["It is said.", "And heard!"]
    assert typed.segments[0].avg_logprob == -0.5
    assert typed.words is not None
    assert [x.word for x in typed.words] == ["It", "is", "said.", "And", "heard!"]
    assert said["task"] == "transcribe"


@pytest.mark.parametrize(
    ("granularities", "names"),
    [([], {"segments"}), (["segment"], {"segments"}), (["word"], {"words"})],
)
def test_details_are_those_asked_for(granularities: list[str], names: set[str]) -> None:
    exchange = open_exchange(
        Form.ELEVENLABS, response_format="verbose_json", granularities=granularities
    )
    assert read(exchange, SCRIBE).keys() & {"segments", "words"} == names


def test_speakers_are_told_apart() -> None:
    exchange = open_exchange(Form.ELEVENLABS, response_format="diarized_json")
    typed = TranscriptionDiarized.model_validate(read(exchange, SCRIBE), strict=True)
    assert [(x.speaker, x.text) for x in typed.segments] == [
        ("speaker_0", "It is said."),
        ("speaker_1", "And heard!"),
    ]


def test_answer_that_comes_whole_is_told_in_events() -> None:
    exchange = open_exchange(Form.ELEVENLABS, stream="true")
    assert exchange.media_type.startswith(b"text/event-stream")
    stream = exchange.open_stream(BOUND, BOUND, is_event_stream=False)
    delta, done = play(stream, SCRIBE, is_events=False)
    assert TranscriptionTextDeltaEvent.model_validate(delta).delta == TEXT
    assert done == {"type": "transcript.text.done", "text": TEXT}
    assert stream.usage is not None
    assert b"error" in stream.fail(GatewayError(ErrorKind.UPSTREAM_CUT, "x"), "r")


def test_answer_beyond_the_bound_is_not_held() -> None:
    stream = open_exchange(Form.ELEVENLABS, stream="true").open_stream(9, 9, is_event_stream=False)
    with pytest.raises(GatewayError) as caught:
        stream.feed(bytes(10))
    assert caught.value.kind is ErrorKind.UPSTREAM_TOO_LARGE


@pytest.mark.parametrize("answer", [{}, {"text": 3}, [], {"text": "x", "words": [{"text": 1}]}])
def test_answer_that_is_none_is_an_error(answer: Any) -> None:
    with pytest.raises(GatewayError) as caught:
        read(open_exchange(Form.ELEVENLABS), answer)
    assert caught.value.kind is ErrorKind.UPSTREAM_PROTOCOL


def test_nothing_heard_is_nothing_said() -> None:
    silence = {"text": "", "words": [], "audio_duration_secs": 2.5}
    assert read(open_exchange(Form.ELEVENLABS, response_format="srt"), silence) == ""
    assert read(open_exchange(Form.ELEVENLABS, response_format="vtt"), silence) == "WEBVTT\n\n"


@pytest.mark.parametrize("answer_format", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_what_is_no_text_is_not_streamed(answer_format: str) -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.ELEVENLABS, stream="true", response_format=answer_format)
    assert caught.value.param == "stream"


def test_granularity_that_there_is_not_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.ELEVENLABS, granularities=["letter"])
    assert caught.value.param == "timestamp_granularities"


def test_file_that_is_too_large_for_the_provider_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.GOOGLE, file_bytes_max=99)
    assert (caught.value.status, caught.value.param) == (413, "file")
    assert "99" in caught.value.message


# Words to segments


def test_segments_end_at_pauses_and_where_they_get_too_long() -> None:
    pause = [Word("one", 0, 1), Word("two", 3, 4, " ")]
    assert [x.text for x in group_words(pause)] == ["one", "two"]
    long = [Word("x" * 40, n, n + 0.5, " ") for n in range(3)]
    assert [len(x.text) for x in group_words(long)] == [81, 40]
    slow = [Word("a", n * 2, n * 2 + 1.5, " ") for n in range(5)]
    assert [x.end_s - x.start_s for x in group_words(slow)] == [5.5, 3.5]


def test_closing_quotes_do_not_hide_the_end_of_a_sentence() -> None:
    words = [Word("“Yes.”", 0, 1), Word("No", 1, 2, " ")]
    assert [x.text for x in group_words(words)] == ["“Yes.”", "No"]


def test_text_cannot_break_out_of_its_subtitle() -> None:
    evil = {**SCRIBE, "words": [word("a\n\n--> <b>&", 0, 1)]}
    vtt = read(open_exchange(Form.ELEVENLABS, response_format="vtt"), evil)
    assert vtt.endswith("\na\n--&gt; &lt;b&gt;&amp;\n\n")


# Mistral


VOXTRAL = {
    "model": "voxtral-mini-latest",
    "text": TEXT,
    "language": None,
    "segments": [
        {"text": " It is said.", "start": 0, "end": 1, "type": "transcription_segment"},
        {"text": " And heard!", "start": 1.2, "end": 2, "type": "transcription_segment"},
    ],
    "usage": {"prompt_audio_seconds": 3, "prompt_tokens": 4, "completion_tokens": 9},
}


def test_voxtral_is_not_asked_for_openais_formats() -> None:
    exchange = open_exchange(Form.MISTRAL, response_format="srt", language="en", prompt="x")
    assert sent(exchange) == {
        "model": "theirs",
        "language": "en",
        "timestamp_granularities": ["segment"],
    }
    assert exchange.dropped == ("prompt",)
    assert read(exchange, VOXTRAL) == SRT


def test_voxtral_times_words_where_those_are_wanted() -> None:
    exchange = open_exchange(
        Form.MISTRAL,
        response_format="verbose_json",
        granularities=["word", "segment"],
    )
    assert sent(exchange)["timestamp_granularities"] == ["word"]
    words = [
        {"text": " It", "start": 0, "end": 0.2},
        {"text": " is", "start": 0.2, "end": 0.4},
        {"text": " said.", "start": 0.4, "end": 1},
        {"text": " Yes", "start": 1, "end": 1.1},
    ]
    said = read(exchange, {**VOXTRAL, "segments": words})
    assert [x["word"] for x in said["words"]] == ["It", "is", "said.", "Yes"]
    assert [x["text"] for x in said["segments"]] == ["It is said.", "Yes"]


def test_voxtrals_events_become_openais() -> None:
    exchange = open_exchange(Form.MISTRAL, stream="true")
    assert sent(exchange)["stream"] == "true"
    stream = exchange.open_stream(BOUND, BOUND, is_event_stream=True)
    events = [
        {"type": "transcription.language", "audio_language": "en"},
        {"type": "transcription.text.delta", "text": "It is "},
        {"type": "transcription.segment", "text": "It is ", "start": 0, "end": 1},
        {"type": "transcription.text.delta", "text": "said."},
        {**VOXTRAL, "type": "transcription.done"},
    ]
    first, second, done = play(stream, *events)
    assert (first["delta"], second["delta"]) == ("It is ", "said.")
    assert TranscriptionTextDoneEvent.model_validate(done, strict=True).text == TEXT
    assert stream.usage is not None
    assert stream.usage.quantities == {Meter.AUDIO_MS: 3_000}


@pytest.mark.parametrize("form", [Form.MISTRAL, Form.GOOGLE])
def test_events_that_stop_are_a_cut(form: Form) -> None:
    stream = open_exchange(form, stream="true").open_stream(BOUND, BOUND, is_event_stream=True)
    first = {"type": "transcription.text.delta", "text": "It", "candidates": []}
    with pytest.raises(GatewayError) as caught:
        play(stream, first)
    assert caught.value.kind is ErrorKind.UPSTREAM_CUT


# Google


def heard(text: str, *words: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    said = [{"word": w, "startOffset": a, "endOffset": b} for w, a, b in words]
    return {"audioTranscription": {"text": text, "words": said, **more}}


def google_answer(*parts: Any, reason: str | None = "STOP") -> dict[str, Any]:
    usage = {
        "promptTokenCount": 81,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 80}],
        "candidatesTokenCount": 6,
        "thoughtsTokenCount": 2,
    }
    return {
        "candidates": [{"content": {"parts": list(parts)}, "finishReason": reason}],
        "usageMetadata": usage,
    }


TURNS = (
    heard(
        "It is said.",
        ("It", "0s", "0.2s"), ("is", "0.2s", "0.4s"), ("said.", "0.4s", "1s"),
        speakerLabel="spk_1",
    ),
    heard("And heard!", ("And", "1.2s", "1.4s"), ("heard!", "1.400s", "2s"), speakerLabel="spk_2"),
)  # fmt: skip
TOKENS = {
    "type": "tokens",
    "input_tokens": 81,
    "input_token_details": {"text_tokens": 1, "audio_tokens": 80},
    "output_tokens": 8,
    "total_tokens": 89,
}


def document_of(exchange: TranscriptExchange, data: str = "QUJD") -> Any:
    assert not exchange.sends_form
    return json.loads(exchange.body.decode().replace(name_place(SEED, 0), data))


def test_file_stands_in_the_document_and_the_rest_around_it() -> None:
    exchange = open_exchange(Form.GOOGLE, language="de", response_format="diarized_json")
    assert document_of(exchange) == {
        "generationConfig": {
            "audioTranscriptionConfig": {
                "languageCodes": ["de"],
                "wordTimestamp": True,
                "diarization": True,
            }
        },
        "contents": [
            {
                "role": "user",
                "parts": [{"inlineData": {"mimeType": "audio/wav", "data": "QUJD"}}],
            }
        ],
    }


def test_callers_text_cannot_stand_in_the_files_place() -> None:
    exchange = open_exchange(Form.GOOGLE_ASKED, prompt='.file.0;"}', language="en")
    text, audio = document_of(exchange)["contents"][0]["parts"]
    assert ".file.0;" in text["text"]
    assert audio["inlineData"]["data"] == "QUJD"


@pytest.mark.parametrize(
    ("answer_format", "body"),
    [("json", {"text": TEXT, "usage": TOKENS}), ("srt", SRT), ("vtt", VTT), ("text", TEXT + "\n")],
)
def test_google_is_told_in_every_format(answer_format: str, body: Any) -> None:
    exchange = open_exchange(Form.GOOGLE, response_format=answer_format)
    assert read(exchange, google_answer(*TURNS)) == body
    if answer_format == "json":
        Transcription.model_validate(body, strict=True)
    usage = exchange.read(json.dumps(google_answer(*TURNS)).encode()).usage
    assert usage is not None
    assert usage.quantities == {Meter.INPUT: 1, Meter.INPUT_AUDIO: 80, Meter.OUTPUT: 8}


def test_googles_words_are_told_at_length() -> None:
    exchange = open_exchange(
        Form.GOOGLE, response_format="verbose_json", granularities=["word", "segment"]
    )
    typed = TranscriptionVerbose.model_validate(read(exchange, google_answer(*TURNS)), strict=True)
    assert typed.words is not None
    assert typed.words[-1].model_dump(exclude_unset=True) == {
        "word": "heard!", "start": 1.4, "end": 2.0
    }  # fmt: skip
    assert typed.duration == 2.5


def test_google_tells_speakers_apart() -> None:
    exchange = open_exchange(Form.GOOGLE, response_format="diarized_json")
    said = read(exchange, google_answer(*TURNS))
    assert [(x["speaker"], x["text"], x["start"]) for x in said["segments"]] == [
        ("spk_1", "It is said.", 0.0),
        ("spk_2", "And heard!", 1.2),
    ]


def test_googles_events_become_openais() -> None:
    exchange = open_exchange(Form.GOOGLE, stream="true")
    stream = exchange.open_stream(BOUND, BOUND, is_event_stream=True)
    first, second = TURNS
    events = play(stream, google_answer(first, reason=None), google_answer(second))
    assert [x.get("delta") for x in events] == ["It is said.", " And heard!", None]
    assert events[-1] == {"type": "transcript.text.done", "text": TEXT, "usage": TOKENS}
    TranscriptionTextDoneEvent.model_validate(events[-1], strict=True)


def test_other_models_are_asked_in_words_and_bounded() -> None:
    exchange = open_exchange(Form.GOOGLE_ASKED, "gemini-2.5-flash", language="de", prompt="Nagara")
    document = document_of(exchange)
    text = document["contents"][0]["parts"][0]["text"]
    assert text.startswith("Transcribe")
    assert "'de'" in text
    assert "'Nagara'" in text
    assert document["generationConfig"] == {
        "maxOutputTokens": 1_040,
        "thinkingConfig": {"thinkingBudget": 0, "includeThoughts": False},
    }
    answer = google_answer({"text": "hm", "thought": True}, {"text": TEXT})
    assert read(exchange, answer)["text"] == TEXT
    assert exchange.dropped == ()


def test_translation_is_asked_for_in_words() -> None:
    exchange = open_exchange(Form.GOOGLE_ASKED, is_translation=True)
    text = document_of(exchange)["contents"][0]["parts"][0]["text"]
    assert text.startswith("Translate the speech in this audio into English.")


@pytest.mark.parametrize("answer_format", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_no_times_are_made_up(answer_format: str) -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.GOOGLE_ASKED, response_format=answer_format)
    assert (caught.value.kind, caught.value.param) == (ErrorKind.UNSUPPORTED, "response_format")


def test_format_that_google_does_not_take_is_refused() -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.GOOGLE, container="matroska")
    assert caught.value.param == "file"
    assert "matroska" in caught.value.message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (google_answer(*TURNS, reason=None), ErrorKind.UPSTREAM_PROTOCOL),
        (google_answer(*TURNS, reason="MAX_TOKENS"), ErrorKind.UPSTREAM_ERROR),
        (google_answer(reason="SAFETY"), ErrorKind.INVALID_REQUEST),
        (google_answer(heard("a", ("a", "soon", "1s"))), ErrorKind.UPSTREAM_PROTOCOL),
        ({"error": {"code": 400, "message": "no"}}, ErrorKind.INVALID_REQUEST),
    ],
)
def test_google_answer_that_is_none_is_an_error(answer: Any, kind: ErrorKind) -> None:
    with pytest.raises(GatewayError) as caught:
        read(open_exchange(Form.GOOGLE), answer)
    assert caught.value.kind is kind


# OpenAI's format without subtitles


WHISPER = {
    "task": "transcribe",
    "language": "English",
    "duration": 2.4,
    "text": TEXT,
    "segments": [
        {"id": 0, "text": " It is said.", "start": 0, "end": 1, "avg_logprob": -0.1},
        {"id": 1, "text": " And heard!", "start": 1.2, "end": 2, "avg_logprob": -0.2},
    ],
}


def test_subtitles_are_made_of_segments() -> None:
    exchange = open_exchange(Form.VERBOSE, response_format="srt", prompt="x", language="en")
    assert sent(exchange) == {
        "model": "theirs",
        "language": "en",
        "prompt": "x",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["segment"],
    }
    assert read(exchange, WHISPER) == SRT


def test_plain_text_is_made_of_json() -> None:
    exchange = open_exchange(Form.VERBOSE, response_format="text")
    assert sent(exchange) == {"model": "theirs", "response_format": "json"}
    assert read(exchange, {"text": TEXT, "x_groq": {"id": "r"}}) == TEXT + "\n"


def test_words_are_asked_for_and_passed_on() -> None:
    exchange = open_exchange(Form.VERBOSE, response_format="verbose_json", granularities=["word"])
    assert sent(exchange)["timestamp_granularities[]"] == ["word"]
    words = [{"word": "It", "start": 0, "end": 0.2}]
    assert read(exchange, {**WHISPER, "words": words})["words"] == words


def test_speakers_are_not_made_up() -> None:
    with pytest.raises(GatewayError) as caught:
        open_exchange(Form.VERBOSE, response_format="diarized_json")
    assert caught.value.param == "response_format"


def test_translation_has_no_granularities() -> None:
    exchange = open_exchange(Form.VERBOSE, is_translation=True, response_format="vtt")
    assert sent(exchange) == {"model": "theirs", "response_format": "verbose_json"}
    assert read(exchange, WHISPER) == VTT


def test_translation_at_length_says_so() -> None:
    exchange = open_exchange(Form.VERBOSE, is_translation=True, response_format="verbose_json")
    assert read(exchange, WHISPER)["task"] == "translate"
