"""The text that the lexical proxy has read before any other: everyday English in the shapes that answers take.

Without it, a short response looks more likely after any prompt at all, because any English teaches the letters; with
it, an unrelated prompt leaves the score near 1. Changing a character changes every score (and the student's revision).
"""

from __future__ import annotations

from typing import Final

PLAIN_TEXT: Final = """\
The people of the town had known for a long time that something would have to be done about the old bridge. It was \
built more than a hundred years ago, and each winter the water took a little more of the stone away. "We can repair \
it," said the engineer, "but it will cost about as much as a new one." What would you do? First, make a list of \
what you need. Second, ask how much time there is. Then decide which of these questions is the most important, and \
why.

Here is a short answer: it depends on how you use it. If the number is larger than 10, divide it by 2; otherwise, \
add 1 and try again. For example, 3 + 4 = 7 and 12 x 5 = 60, so the total is 67. She bought 24 apples for $1.50 \
each and sold half of them the next day at 20% more. How many were left, and what did they earn in all?

1. Write the name, the date and the place of the meeting.
2. Read each sentence again, and change the words that are not clear.
3. Give a reason for your choice, using only what is stated in the text.

- Mix the flour, sugar and butter in a bowl.
- Heat the oven to 180 degrees and bake for 25 minutes.
- Let everything cool before you serve it.

Dear Ms. Green, thank you very much for your letter of May 14. I am writing because we have not yet received the \
order that was sent on Monday. Could you please let me know whether it will arrive this week? I look forward to \
hearing from you. Best regards, John

def count_words(line):
    result = {}
    for word in line.split(" "):
        result[word] = result.get(word, 0) + 1
    return result

Most children learn to speak without being taught; they listen, they guess, and they are understood by those who \
love them. Science works in a similar way. A good experiment shows which of two ideas is wrong, although it can \
never prove that the other one is right. Energy, light, heat and sound can be changed into one another. The earth \
moves around the sun in 365 days, while the moon needs fewer than 28 to go around the earth. In the United States \
and in Europe, the government, the companies and the schools have been working together on health and safety since \
1990.

Question: What is the difference between a story and a report?
Answer: A story tells what might have happened to someone; a report describes what really did, when, where and how.

He was happy, then sad, then quiet. It's a positive review, isn't it? I don't think so: the movie was too long, the \
music was loud, and there's nothing new in it. You should not only explain the problem but also suggest a simple \
solution. Is this sentence correct? Yes. No. True. False. None of the above. Please choose the best option from A, \
B, C or D.

"""
