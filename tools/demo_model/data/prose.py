"""Plain documentation prose at some length, for fluency: a paragraph about one of some dozen subjects.

`SUBJECTS` is a small text: `# subject` opens one, `= a, b` is what a paragraph must mention (one of them), `! sentence` is
its first sentence (one of several), `- sentence` may follow, in any order.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from .common import Conversation, assistant, held_out, kept_back, user
from .phrasing import Bank, contains, expand, holds, self_test, sentence, tidy, wrap

SUBJECTS = """
# flashmoe
= experts, memory, SSD
! flashmoe runs language models that are several times larger than the memory of the machine.
! flashmoe is a Python package over a core in C that streams the experts of a model from SSD.
- It keeps the dense weights in memory and reads the routed experts when the router asks for them.
- The memory budget is a ceiling that is planned before the model is loaded.
- The output is the same at any budget, because every expert that the model asks for is used.
- A laptop with a good SSD is enough to try a very large model.
- Nothing leaves the computer, so that private text stays private.
- It runs on macOS and Linux, on the CPU and on the GPU.
- A checkpoint from the hub runs as it is, without a conversion and without a second copy on disk.
- It can be used from the command line, from Python, and through a server.
# the expert cache
= cache, experts
! The expert cache keeps experts that were used recently in memory.
! Between the SSD and the arithmetic there is a cache of experts.
- All layers share one cache, so that a busy layer can use more of it than a quiet one.
- When an expert is needed that is not in the cache, it is read from the SSD, and an older one makes room.
- A hit costs nothing, and a miss costs one read.
- The size of the cache follows from the memory budget: what the dense weights and the state leave is given to it.
- A larger cache gives more hits and fewer bytes to read for each token.
- Very small caches can miss nearly always, because the experts of one token push each other out.
- The statistics of a session count hits and misses.
# streaming from SSD
= SSD, read, disk
! Streaming means that experts are read from the SSD at the moment they are needed.
! A model that does not fit in memory can stay on the SSD and be read piece by piece.
- Each token needs only a few experts in each layer, so only these have to be read.
- Reads run beside the arithmetic: while one expert is computed, the next one arrives.
- The speed of the SSD sets how many tokens a second are possible when most experts miss.
- Large reads are better than many small ones, because each read has a fixed cost.
- The reads use pread, so that the program knows what is in memory and what is not.
- A failed read is reported as an error with the file and the position.
# Mixture-of-Experts models
= experts, expert, router
! A Mixture-of-Experts model has many small networks in each layer, and a router that picks a few of them.
! In a Mixture-of-Experts model most of the weights sit in experts, and only a few experts work on a token.
- The number of parameters can be very large while the arithmetic for one token stays small.
- The router gives each expert a score and takes the best ones.
- The outputs of the chosen experts are added, each with its weight.
- A shared expert may work on every token in addition.
- Different tokens use different experts, so that over a long text nearly all of them are used.
- This is why such models suit a machine with a fast disk and little memory.
- A dense model, on the other hand, needs all of its weights for each token.
# the router
= router, experts, expert
! The router decides which experts work on a token.
! In front of the experts of a layer stands the router.
- It is a small matrix that turns the state of the token into one score for each expert.
- The scores are made into probabilities, and the best few are kept.
- Neighbouring tokens often choose some of the same experts, and this is what makes a cache useful.
- While a model is trained, an extra loss keeps the router from choosing the same experts all the time.
- The choice is part of the model: a program that changes it gives other answers.
# the memory budget
= memory, budget
! The memory budget is the most memory that flashmoe may use.
! With the option --memory you say how much memory flashmoe may take.
- It covers the dense weights, the KV cache, the state, the buffers and the expert cache.
- The plan is made and printed before anything large is loaded.
- If the model cannot run in the budget, it is refused, and the smallest budget that would do is named.
- A smaller budget makes the program slower, but it does not change the answers.
- While text is generated, no further memory is asked for.
- Leave some memory to the system, for a machine that swaps is slower than one with a small cache.
# the KV cache
= keys, cache, attention
! The KV cache holds the keys and values of all earlier tokens.
! Attention looks back at earlier tokens, and the KV cache is where it finds them.
- Without it the keys and values of the whole text would have to be computed again for each new token.
- It grows with every token, so a long conversation needs more memory than a short one.
- Only the layers with full attention have one.
- The layers with linear attention keep a state of fixed size instead.
- It can be saved to disk together with the rest of the session.
# prefill and decode
= prompt, token, tokens
! A model works in two phases: prefill reads the prompt, and decode writes the answer.
! Before the first new token appears, the whole prompt goes through the model.
- In prefill many tokens are computed together, so each expert that is read serves many of them.
- flashmoe takes the prompt through one layer before it goes on to the next.
- In decode one token follows the other, and each needs its own experts.
- Prefill is limited by arithmetic, and decode is often limited by reading.
- A long prompt takes some time at the start, but the state can be kept and used again.
- In a chat only the new message has to be read.
# quantisation
= bits, weights, weight
! Quantisation stores each weight with fewer bits.
! The weights of a model are numbers, and they need not be stored exactly.
- With 4 bits a weight takes a quarter of the space that it takes with 16 bits.
- A group of weights shares a scale, and sometimes an offset, that brings the small numbers back to their size.
- The model becomes smaller on disk, and an expert is read in less time.
- The answers change a little, and with very few bits they become worse.
- Four bits are a good choice for most models.
- The weights are turned back into ordinary numbers inside the multiplication.
# GatedDeltaNet
= state, attention, layer, layers
! GatedDeltaNet is a kind of linear attention.
! Three of four layers in Qwen3.5-MoE are GatedDeltaNet layers.
- It keeps a state of fixed size and updates it with each token.
- A gate decides how much of the old state is forgotten.
- The delta rule writes only what is new, so that the state is used well.
- Because the state does not grow, long texts cost no more memory than short ones.
- Every fourth layer uses full attention, which can look at each earlier token exactly.
- Together they give a model that is fast on long texts and still precise.
# pread and mmap
= pread, mmap
! There are two common ways to read a large file: pread copies bytes, and mmap makes the file look like memory.
! flashmoe reads experts with pread and not through a mapping.
- With mmap the operating system decides when to read, and a page fault stops the thread that needed the data.
- Faults come in small pieces, so the disk never reaches its full speed.
- With pread the program asks for a whole expert at once, from a thread that may wait.
- The program then knows exactly how much memory it uses.
- In measurements pread was several times faster than mapped files on the same disk.
- The cost is that the program has to manage its own cache.
# sessions
= session, state, conversation
! A session holds the state of one conversation.
! In Python you make a session with model.session().
- It knows the tokens it has seen and the state of every layer after them.
- A session can be forked: the copy goes on by itself, and the original stays as it was.
- It can be saved to a file and loaded another day.
- Several sessions can share one model and one expert cache.
- Its statistics say how many tokens were made and how many bytes were read.
- With fork one can try several answers from the same point.
# the command line
= flashmoe, command, chat
! The command line of flashmoe starts with python -m flashmoe.
! Everything that flashmoe does can be reached from a terminal.
- Without a command it starts a chat.
- The command run answers one prompt and writes only the answer to standard output.
- The command serve starts a server for other programs.
- With pull a checkpoint is downloaded, with verify it is checked, and with info it is described.
- The command bench measures the speed, and doctor looks at the machine.
- Options such as --model, --memory and --backend are the same for all commands.
# the Python interface
= Python, model, flashmoe
! In Python you begin with import flashmoe.
! The Python interface of flashmoe is small.
- A model is opened with flashmoe.Model(path), where the path is a folder, a hub id or the word demo.
- The method generate returns the tokens of a text one by one.
- The method chat takes messages and gives events: text, reasoning, tool calls and the finish.
- With session and eval you get the logits and can do what you like with them.
- Errors are subclasses of FlashMoeError and say what to do next.
- Long calls can be stopped and do not block other Python threads.
# the demo model
= small, experts, demo
! The demo model is a small Mixture-of-Experts model that comes with flashmoe.
! I am a small model that was trained from scratch for flashmoe.
- It has 8 layers with 64 experts each, and 4 experts work on a token.
- With about 56 million parameters it takes about 30 MiB at 4 bits.
- It lets you try streaming at once, without a large download.
- It can answer easy questions, do simple arithmetic and call tools.
- Its answers are short, and it makes mistakes, so check what matters.
- It was trained on text that was generated for this purpose.
# large models at home
= model, computer, laptop, machine
! A large model at home used to need a very expensive machine.
! Running a large model on your own computer has several advantages.
- What you write stays with you.
- It works without a connection, on a train or in a cabin.
- There is no price for each question and no limit for a day.
- The model does not change under you from one day to the next.
- The price is speed: a laptop answers more slowly than a data centre.
- With streaming, the size of the disk sets the limit and no longer the size of the memory.
# memory and disk
= memory, disk
! A computer has several kinds of memory, from small and fast to large and slow.
! Between the processor and the disk lies a ladder of memories.
- The caches in the processor hold a few megabytes and answer in nanoseconds.
- The main memory holds some gigabytes and answers in about a hundred nanoseconds.
- An SSD holds hundreds of gigabytes and answers in about a tenth of a millisecond.
- A hard disk with spinning plates needs several milliseconds.
- Programs are fast when the data they use often lies near the processor.
- A cache is a small fast memory that holds copies of what lies in a large slow one.
# SSDs
= SSD, flash, disk
! An SSD stores data in flash chips and has no moving parts.
! SSD stands for solid-state drive.
- It can read several gigabytes in a second.
- Reading does not wear it out, but writing does, slowly.
- Many requests at the same time are no problem, for the chips work side by side.
- Small random reads are slower than large ones.
- When it is nearly full, writing becomes slower.
- For streaming a model, the speed of reading counts most.
# the processor
= processor, CPU, core, cores, instructions
! The processor carries out the instructions of a program.
! A modern CPU has several cores that work at the same time.
- Each core can do several additions and multiplications in one step with vector instructions.
- For large models the arithmetic is often not the limit, but the speed of the memory.
- Threads share the cores, and more threads than cores do not help.
- A small cache beside each core holds the data that was used last.
- flashmoe chooses its kernels at run time, according to what the processor can do.
# GPUs
= GPU, GPUs
! A GPU is a processor that does the same operation on many numbers at once.
! GPUs were made for pictures, but they are good at neural networks too.
- It has its own fast memory, which is often too small for a large model.
- On a Mac the GPU and the CPU share one memory.
- A program for the GPU is called a kernel, and each start of a kernel costs some microseconds.
- Therefore few large steps are better than many small ones.
- flashmoe uses Metal on a Mac and CUDA on NVIDIA cards, and it also runs without any GPU.
# tokens
= token, tokens, text
! A language model does not read letters, it reads tokens.
! Text is cut into tokens before a model sees it.
- A token is often a word or a part of a word.
- Common words are one token, and rare words are several.
- The list of all tokens is called the vocabulary.
- Each token has a number, and the model works with these numbers.
- After each step the model gives a score to every token of the vocabulary, and one of them is chosen.
- The length of a conversation is counted in tokens.
# sampling
= token, tokens, temperature, sampling
! Sampling is how the next token is chosen.
! A model gives probabilities, and sampling makes a choice.
- With temperature 0 the most likely token is always taken.
- A higher temperature makes rare tokens more likely and the text more varied.
- With top-p only the most likely tokens are considered, up to a sum of p.
- A seed makes the choice repeatable.
- For facts and code a low temperature is best, for stories a higher one.
# language models
= words, text, token, tokens
! A language model predicts how a text goes on.
! A language model has learned from much text which words follow which.
- It works step by step: each new token is added to the text, and then the next one is predicted.
- It has no knowledge of today, only of what it was trained on.
- It can be wrong and sound sure at the same time.
- A larger model usually knows more and reasons better.
- Training takes many machines and much time, but running a trained model is much cheaper.
- The weights of the model are fixed when it is used.
# training
= loss, weights, training, text
! Training changes the weights of a model until it predicts text well.
! A model is trained by showing it text and correcting its guesses.
- For each token the model makes a guess, and the loss says how wrong it was.
- The gradient tells in which direction each weight should move.
- Many small steps lead to a good model.
- Text that was kept aside shows whether the model has learned or only remembers.
- The demo model of flashmoe was trained in this way from scratch.
# the server
= server, programs
! With flashmoe serve a model becomes a server.
! Other programs can use a model through the server of flashmoe.
- An editor, a chat window or an agent can talk to it.
- It keeps the state of a conversation, so that a long prompt need not be read again.
- Answers are sent token by token as they are made.
- It runs on your own machine, and no other service is needed.
- Tools can be offered with a request, and the model may call them.
# tool calls
= tool, tools
! A tool call lets a model ask a program to do something.
! With tools a model can do more than write text.
- The program describes each tool by a name and by its parameters.
- The model answers with the name of a tool and with arguments.
- The program runs the tool and gives the result back to the model.
- Then the model writes an answer from the result.
- A calculator, the weather and the files of a folder are typical tools.
- If no tool fits, the model should simply answer.
# exactness
= same, identical, exact, exactness
! flashmoe is exact: it computes what the model says and nothing less.
! Exactness is a rule of flashmoe.
- Every expert that the router chooses is used, also when it has to be read from the SSD.
- Experts are added in a fixed order, so that the result does not depend on which arrived first.
- The output is byte-identical at any budget and with any number of threads.
- Fewer experts can be chosen by an option, but it is never done silently.
- A test checks this all the time.
# checkpoints
= checkpoint, weights, files
! A checkpoint is the folder that holds a model.
! What you download when you get a model is a checkpoint.
- It contains the weights, a config with the sizes, and the tokenizer.
- The weights often lie in several files, for one file would be too large.
- flashmoe reads safetensors from Hugging Face and MLX checkpoints as they are.
- An expert is a few pieces of these files, and its place is known from the header.
- The command flashmoe verify checks that all of it is there.
# caches in general
= cache, caches
! A cache keeps copies of things that will probably be needed again.
! Caches make computers fast.
- It is small and near, while the original is large and far away.
- When something is found in it, this is called a hit, and otherwise a miss.
- When it is full, something has to go, often what was not used for the longest time.
- The rule for this choice is called the policy of the cache.
- A good hit rate saves much time, but a costly policy can eat up the gain.
# files and folders
= file, files, folder, folders
! A file is a named piece of data on a disk.
! Files lie in folders, and folders can lie in other folders.
- The path of a file says in which folders it lies.
- A name often ends with a dot and a few letters that tell the kind of the file.
- README.md is a file that explains a project.
- A text file can be read by people, and a binary file is made for programs.
- Copying a large file takes time, but moving it on the same disk does not.
# bits and bytes
= bit, bits, bytes, byte
! Computers count in bits, and eight bits make one byte.
! A bit is the smallest piece of information: it is 0 or 1.
- One byte can hold 256 different values.
- A KiB has 1,024 bytes, a MiB has 1,024 KiB, and a GiB has 1,024 MiB.
- Makers of disks count in thousands, so a disk looks smaller in the system than on its box.
- A number with 16 bits takes two bytes.
- Two weights of 4 bits fit in one byte.
# Python
= Python
! Python is a programming language that is easy to read.
! Many people write their first program in Python.
- It is much used for science, for the web and for machine learning.
- Packages are installed with pip.
- It is slower than C, so heavy work is often done in a core that is written in C.
- flashmoe does so: Python handles files and text, and C does the arithmetic.
- Indentation is part of the language.
# open source
= source, licence
! Open source means that everybody may read and change a program.
! flashmoe is free software under the MIT licence.
- The licence allows use at work and at home, and also in products.
- Mistakes are found by many eyes.
- Anyone can send an improvement.
- Nobody has to pay for it.
- Who passes it on has to keep the text of the licence.
# good questions
= question, questions
! A good question is short and says what is wanted.
! Small models answer best when the question is clear.
- Ask one thing at a time.
- Name the number, the place or the file that it is about.
- Say in which form you want the answer, for example as a list or as JSON.
- If the answer is not good, ask again in other words.
- Give an example when the task is unusual.
# threads
= threads, thread
! A thread is a line of work inside a program.
! Programs do several things at once with threads.
- Threads share the memory of their program.
- When two of them change the same data, they have to wait for each other.
- Reading threads can wait for the disk while others compute.
- More threads than cores bring little.
- In flashmoe the number is set with --threads.
# latency and bandwidth
= latency, bandwidth
! Latency is how long one request takes, and bandwidth is how much arrives in a second.
! Two numbers describe a disk or a network: latency and bandwidth.
- A lorry full of disks has a great bandwidth and a bad latency.
- For one small read the latency counts.
- For a large expert the bandwidth counts.
- Several requests at once hide the latency.
- A faster disk helps only when the program waits for it.
# privacy
= computer, private, data, home
! With a local model your data stays on your own computer.
! Privacy is one reason to run a model at home.
- No text is sent to a server.
- The model has no connection and cannot look anything up.
- Saved sessions are ordinary files, and you can delete them.
- Also your questions are known to nobody else.
- This matters for letters, for health and for work.
"""

ASK = Bank("prose", (
    "[Explain|Please explain|Describe|Tell me about] {s} [at length|in detail|in a paragraph|in several sentences|in more detail|at some length|thoroughly].",
    "[Write|Give me|I'd like|I need|Could you write|Please write] [a paragraph|a few sentences|a longer text|a short text|some lines|a longer explanation|several sentences] about {s}.",
    "[Write|Give me] a [longer|long|detailed|full|thorough] [explanation|description|introduction|overview|summary] of {s}.",
    "[Tell me|Say|Write] [more|a lot|all you know|everything you know|something longer] about {s}.",
    "[I want to understand|I'm reading about|I am writing about|I am curious about] {s}. [Explain it at length.|Write a paragraph.|Tell me more.|Please explain in several sentences.]",
    "What should I know about {s}? [Write a paragraph.|In several sentences, please.|Take your time.|A longer answer, please.]",
    "[Introduce me to|Teach me about|Walk me through|Educate me on] {s}[ in detail| in a paragraph| at length|, at length].",
    "{s}: [write a paragraph|explain at length|a long explanation, please|tell me more|several sentences, please]",
    "[Can you|Could you|Would you] [explain|describe|write about|tell me about] {s} [in a paragraph|at length|in detail|in several sentences]?",
    "For [the documentation|a blog post|my notes|a talk|a beginner|a report], [write|explain|describe] {s} [in a paragraph|at length|in several sentences].",
    "A paragraph about {s}[, please|].", "long answer: {s}", "[Elaborate|Go into detail] on {s}.", "Explain {s} to a beginner, [in a paragraph|at length|not too short].",
    "Write documentation about {s}.", "[A longer|A detailed|A full] text about {s}[, please|].", "Lecture me about {s}.", "Make a small article about {s}."))


@dataclass
class Subject:
    name: str
    check: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    more: list[str] = field(default_factory=list)


def _read(text: str) -> list[Subject]:
    subjects: list[Subject] = []
    for line in text.splitlines():
        kind, rest = line[:1], line[2:].strip()
        if kind == "#":
            subjects.append(Subject(rest))
        elif kind == "=":
            subjects[-1].check = [one.strip() for one in rest.split(",")]
        elif kind == "!":
            subjects[-1].first.append(rest)
        elif kind == "-":
            subjects[-1].more.append(rest)
    return subjects


ALL = _read(SUBJECTS)


def generate(rng: random.Random, split: str) -> Conversation:
    want = held_out(split)
    for _ in range(200):
        subject, way = rng.choice(ALL), rng.choice(ASK.ways)
        if kept_back(f"{subject.name}/{way}") == want:
            break
    question = tidy(expand(rng, way, s=subject.name))
    if not question.startswith("flashmoe"):
        question = sentence(question)
    chosen = rng.sample(subject.more, rng.randint(3, min(5, len(subject.more))))
    if rng.random() < 0.7:
        chosen.sort(key=subject.more.index)
    paragraph = " ".join([rng.choice(subject.first), *chosen])
    return Conversation("prose", [user(wrap(rng, question, (), 0.6)), assistant(paragraph)], checks=[contains(1, subject.check)])


if __name__ == "__main__":
    for subject in ALL:
        assert all(holds(contains(0, subject.check), first) for first in subject.first), subject
    self_test(generate)
    print(f"{len(ALL)} subjects, {sum(len(subject.first) + len(subject.more) for subject in ALL)} sentences, {len(ASK.ways)} ways to ask")
